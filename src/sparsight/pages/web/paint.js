// Numbers as pixels.

/** What filters and samples are painted by; pages change it, and paint again. */
export const palette = { colours: "grey", scale: "own" };

/** Red, green and blue of a level from −1 to 1. */
function shade(level) {
  const v = Math.max(-1, Math.min(1, level));
  if (palette.colours === "grey") {
    const grey = 127.5 + 127.5 * v;
    return [grey, grey, grey];
  }
  const far = v < 0 ? [33, 102, 172] : [178, 24, 43];
  return far.map((c) => 247 + (c - 247) * Math.abs(v));
}

/** Height, width and channels of a shape. */
export const geometry = (shape) => [shape[0], shape[1], shape[2] ?? 1];

const ramps = new Map();
/** The 255 colours of int8 levels from −127 on, as RGBA in 32 bits, at a share of their strength. */
function ramp(factor) {
  const key = `${palette.colours}${factor}`;
  if (!ramps.has(key)) {
    if (ramps.size > 4096) ramps.clear();
    const made = new Uint8ClampedArray(4 * 256);
    for (let n = 0; n < 256; n++) made.set([...shade(((n - 128) / 127) * factor), 255], 4 * n);
    ramps.set(key, new Uint32Array(made.buffer));
  }
  return ramps.get(key);
}

/** Int8 levels of one filter into RGBA pixels [H · W] (a Uint32Array), at a share of their strength. */
export function paintFilter(levels, shape, pixels, factor = 1) {
  const [height, width, channels] = geometry(shape);
  if (channels < 3) {
    const colours = ramp(Math.round(factor * 64) / 64);
    for (let at = 0; at < height * width; at++) pixels[at] = colours[levels[at * channels] + 128];
    return;
  }
  const bytes = new Uint8ClampedArray(pixels.buffer, pixels.byteOffset, 4 * height * width);
  for (let at = 0; at < height * width; at++) {
    for (let c = 0; c < 3; c++) bytes[4 * at + c] = 127.5 + factor * levels[at * channels + c];
    bytes[4 * at + 3] = 255;
  }
}

/** Int8 levels of one filter as ink: orange where it is positive, blue where it is negative, nothing where it is 0. */
export function paintInk(levels, shape, pixels) {
  const [height, width, channels] = geometry(shape);
  for (let at = 0; at < height * width; at++) {
    let v = 0;
    for (let c = 0; c < channels; c++) v += levels[at * channels + c] / channels;
    const alpha = Math.min(255, Math.round(2.4 * Math.abs(v)));
    pixels[at] = ((alpha << 24) | (v < 0 ? 0xf0a05a : 0x2a7cf5)) >>> 0; // alpha, blue, green, red
  }
}

/** Uint8 levels of one sample into RGBA pixels. */
function paintSample(levels, shape, pixels) {
  const [height, width, channels] = geometry(shape);
  const bytes = new Uint8ClampedArray(pixels.buffer, pixels.byteOffset, 4 * height * width);
  for (let at = 0; at < height * width; at++) {
    for (let c = 0; c < 3; c++) bytes[4 * at + c] = levels[at * channels + (channels < 3 ? 0 : c)];
    bytes[4 * at + 3] = 255;
  }
}

/** A canvas of a shape, painted by `paint(pixels)`. */
export function painted(shape, paint, canvas = document.createElement("canvas")) {
  const [height, width] = geometry(shape);
  if (canvas.width !== width) canvas.width = width;
  if (canvas.height !== height) canvas.height = height;
  canvas.classList.add("pixels");
  const image = new ImageData(width, height);
  paint(new Uint32Array(image.data.buffer));
  canvas.getContext("2d").putImageData(image, 0, 0);
  return canvas;
}

/** A filter as a canvas. */
export const filterCanvas = (levels, shape) => painted(shape, (pixels) => paintFilter(levels, shape, pixels));

/** A sample as a canvas; with `over`, int8 levels of a filter, that is laid over it in blue and red. */
export function sampleCanvas(levels, shape, over = null) {
  return painted(shape, (pixels) => {
    paintSample(levels, shape, pixels);
    if (over) lay(over, shape, new Uint8ClampedArray(pixels.buffer));
  });
}

function lay(over, shape, bytes) {
  const [height, width, channels] = geometry(shape);
  for (let at = 0; at < height * width; at++) {
    let v = 0;
    for (let c = 0; c < channels; c++) v += over[at * channels + c] / 127 / channels;
    const far = v < 0 ? [70, 140, 255] : [255, 80, 30];
    const part = Math.min(0.8, Math.abs(v));
    for (let c = 0; c < 3; c++) bytes[4 * at + c] += part * (far[c] - bytes[4 * at + c]);
  }
}

/** The Gabor function of fitted numbers, as a canvas. */
export function gaborCanvas({ x0, y0, orientation, frequency, phase, sigma_x: sx, sigma_y: sy }, shape) {
  const [height, width] = geometry(shape);
  const level = new Float32Array(height * width);
  let peak = 1e-12;
  for (let y = 0; y < height; y++) {
    for (let x = 0; x < width; x++) {
      const u = (x - x0) * Math.cos(orientation) + (y - y0) * Math.sin(orientation);
      const v = -(x - x0) * Math.sin(orientation) + (y - y0) * Math.cos(orientation);
      const value = Math.exp(-(u * u) / (2 * sx * sx) - (v * v) / (2 * sy * sy)) * Math.cos(2 * Math.PI * frequency * u + phase);
      level[y * width + x] = value;
      peak = Math.max(peak, Math.abs(value));
    }
  }
  const levels = Int8Array.from(level, (v) => Math.round((127 * v) / peak));
  return painted([height, width], (pixels) => paintFilter(levels, [height, width], pixels));
}

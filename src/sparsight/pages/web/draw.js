// A surface to draw on, in the pixels and in the units of samples: what is seen is what the model gets.

import { announce, element } from "./dom.js";
import { geometry } from "./paint.js";
import { paintValues } from "./values.js";

const KEPT = 80; // drawings that can be brought back

/**
 * A surface.
 *
 * @param {object} ground `shape`, `low`, `high` and `paper`, in raw units
 * @param {(done: boolean) => void} changed called as one draws, and with `true` once a stroke has ended
 */
export function surface({ shape, low, high, paper }, changed) {
  const [height, width, channels] = geometry(shape);
  const canvas = element("canvas", { className: "pixels", tabIndex: 0, role: "application", "aria-roledescription": "drawing" });
  const ring = element("i", { className: "ring", hidden: true });
  const hint = element("span", { className: "hint", "aria-hidden": "true" }, "draw here");
  const node = element("div", { className: "surface" }, canvas, ring, hint);
  const tool = { radius: (1.25 * Math.min(height, width)) / 28, ink: Array(3).fill(high - paper < paper - low ? low : high) };
  let pixels = new Float32Array(height * width * channels).fill(paper);
  let past = [pixels.slice()];
  let now = 0;
  let stroke = null;
  const pen = { x: width / 2, y: height / 2, down: false };

  function show(done) {
    paintValues(canvas, pixels, shape, low, high);
    hint.hidden = pixels.some((value) => value !== paper);
    changed(done);
  }

  function keep() {
    past = [...past.slice(Math.max(0, now + 2 - KEPT), now + 1), pixels.slice()];
    now = past.length - 1;
  }

  function replace(values) {
    pixels = Float32Array.from(values);
    keep();
    show(true);
  }

  function recall(step) {
    if (past[now + step] === undefined) return announce(step < 0 ? "there is nothing to undo" : "there is nothing to redo");
    now += step;
    pixels = past[now].slice();
    return show(true);
  }

  /** Ink along a line, softer at its edge; where a stroke crosses itself it gets no darker there. */
  function line(from, to, radius) {
    const reach = radius + 0.5;
    const [dx, dy] = [to.x - from.x, to.y - from.y];
    const size = dx * dx + dy * dy;
    const left = Math.max(0, Math.floor(Math.min(from.x, to.x) - reach));
    const right = Math.min(width - 1, Math.ceil(Math.max(from.x, to.x) + reach));
    const top = Math.max(0, Math.floor(Math.min(from.y, to.y) - reach));
    const bottom = Math.min(height - 1, Math.ceil(Math.max(from.y, to.y) + reach));
    for (let y = top; y <= bottom; y++) {
      for (let x = left; x <= right; x++) {
        const [px, py] = [x + 0.5 - from.x, y + 0.5 - from.y];
        const along = size ? Math.max(0, Math.min(1, (px * dx + py * dy) / size)) : 0;
        const covered = Math.min(1, reach - Math.hypot(px - along * dx, py - along * dy));
        const at = y * width + x;
        if (covered <= stroke.mask[at]) continue;
        stroke.mask[at] = covered;
        for (let c = 0; c < channels; c++) {
          const before = stroke.base[at * channels + c];
          pixels[at * channels + c] = before + covered * (stroke.ink[c] - before);
        }
      }
    }
  }

  function begin(place, erase, pointer = null) {
    const ink = erase || tool.erase ? Array(3).fill(paper) : tool.ink;
    stroke = { base: pixels.slice(), mask: new Float32Array(height * width), ink, last: place, pointer };
  }

  function end() {
    if (!stroke) return;
    stroke = null;
    keep();
    show(true);
  }

  function place(event) {
    const box = canvas.getBoundingClientRect();
    return { x: ((event.clientX - box.left) / box.width) * width, y: ((event.clientY - box.top) / box.height) * height };
  }

  function point({ x, y }) {
    ring.hidden = false;
    ring.style.left = `${(100 * x) / width}%`;
    ring.style.top = `${(100 * y) / height}%`;
    ring.style.width = `${(200 * tool.radius) / width}%`;
    ring.classList.toggle("down", pen.down);
  }

  const wide = (event) => tool.radius * (event.pointerType === "pen" && event.pressure ? 0.5 + event.pressure : 1);
  canvas.addEventListener("pointerdown", (event) => {
    if (event.button === 1 || stroke) return;
    canvas.setPointerCapture(event.pointerId);
    begin(place(event), event.button === 2 || (event.buttons & 32) !== 0, event.pointerId);
    line(stroke.last, stroke.last, wide(event));
    show(false);
  });
  canvas.addEventListener("pointermove", (event) => {
    point(place(event));
    if (stroke?.pointer !== event.pointerId) return;
    const passed = event.getCoalescedEvents?.() ?? [];
    for (const each of passed.length ? passed : [event]) {
      const to = place(each);
      line(stroke.last, to, wide(each));
      stroke.last = to;
    }
    show(false);
  });
  for (const name of ["pointerup", "pointercancel"]) {
    canvas.addEventListener(name, (event) => { if (stroke?.pointer === event.pointerId) end(); });
  }
  canvas.addEventListener("pointerleave", () => { ring.hidden = document.activeElement !== canvas || !canvas.matches(":focus-visible"); });
  canvas.addEventListener("contextmenu", (event) => event.preventDefault());
  canvas.addEventListener("blur", () => { ring.hidden = true; lift(); });
  canvas.addEventListener("focus", () => { if (canvas.matches(":focus-visible")) point(pen); });

  function lift() {
    pen.down = false;
    end();
  }

  canvas.addEventListener("keydown", (event) => {
    const step = event.shiftKey ? 4 : 1;
    const move = { ArrowLeft: [-step, 0], ArrowRight: [step, 0], ArrowUp: [0, -step], ArrowDown: [0, step] }[event.key];
    if (event.key === " ") {
      if (pen.down) lift();
      else {
        pen.down = true;
        begin(pen, false);
        line(pen, pen, tool.radius);
        show(false);
      }
      announce(pen.down ? "the pen is down" : "the pen is up");
    } else if (move) {
      const from = { ...pen };
      pen.x = Math.max(0, Math.min(width, pen.x + move[0]));
      pen.y = Math.max(0, Math.min(height, pen.y + move[1]));
      if (pen.down) {
        line(from, pen, tool.radius);
        show(false);
      }
    } else if (event.key === "Delete") api.clear();
    else if ((event.ctrlKey || event.metaKey) && event.key.toLowerCase() === "z") recall(event.shiftKey ? 1 : -1);
    else return;
    event.preventDefault();
    point(pen);
  });
  canvas.setAttribute("aria-label", `drawing of ${height} by ${width} pixels: arrow keys move the pen, with Shift further, Space lowers and lifts it, Delete clears, Ctrl Z undoes`);

  const api = {
    node,
    canvas,
    tool,
    values: () => pixels,
    drawing: () => stroke !== null,
    set: replace,
    undo: () => recall(-1),
    redo: () => recall(1),
    clear: () => replace(new Float32Array(pixels.length).fill(paper)),
    /** Light becomes dark. */
    invert: () => replace(pixels.map((value) => low + high - value)),
    /** Move the drawing so that its centre of mass is in the middle, as the digits of MNIST were. */
    centre: () => replace(centred(pixels, [height, width, channels], paper)),
  };
  paintValues(canvas, pixels, shape, low, high);
  return api;
}

function centred(pixels, [height, width, channels], paper) {
  let [mass, x0, y0] = [0, 0, 0];
  pixels.forEach((value, n) => {
    const at = Math.floor(n / channels);
    const ink = Math.abs(value - paper);
    mass += ink;
    x0 += ink * (at % width);
    y0 += ink * Math.floor(at / width);
  });
  const [dx, dy] = mass ? [Math.round((width - 1) / 2 - x0 / mass), Math.round((height - 1) / 2 - y0 / mass)] : [0, 0];
  const moved = new Float32Array(pixels.length).fill(paper);
  for (let y = Math.max(0, dy); y < Math.min(height, height + dy); y++) {
    for (let x = Math.max(0, dx); x < Math.min(width, width + dx); x++) {
      const from = ((y - dy) * width + x - dx) * channels;
      moved.set(pixels.subarray(from, from + channels), (y * width + x) * channels);
    }
  }
  return moved;
}

/**
 * A picture from a file as a sample: its middle, at the size of samples, from their lowest to their highest value.
 * Dark on light becomes light on dark where that is what samples are; `inverted` says so.
 */
export async function opened(file, { shape, low, high, paper }) {
  const [height, width, channels] = geometry(shape);
  const picture = await createImageBitmap(file).catch(() => {
    throw new Error("this file is no picture that the browser can read");
  });
  const canvas = element("canvas", { width, height });
  const pen = canvas.getContext("2d");
  pen.imageSmoothingQuality = "high";
  const scale = Math.max(width / picture.width, height / picture.height);
  const [across, down] = [picture.width * scale, picture.height * scale];
  pen.fillStyle = "#fff";
  pen.fillRect(0, 0, width, height);
  pen.drawImage(picture, (width - across) / 2, (height - down) / 2, across, down);
  const bytes = pen.getImageData(0, 0, width, height).data;
  let values = new Float32Array(height * width * channels);
  for (let at = 0; at < height * width; at++) {
    const [r, g, b] = bytes.subarray(4 * at, 4 * at + 3);
    const grey = 0.299 * r + 0.587 * g + 0.114 * b;
    for (let c = 0; c < channels; c++) values[at * channels + c] = low + ((high - low) * (channels < 3 ? grey : [r, g, b, 255][c])) / 255;
  }
  const rim = [...values.subarray(0, width * channels), ...values.subarray(-width * channels)].sort((a, b) => a - b);
  const inverted = channels < 3 && Math.abs(rim[rim.length >> 1] - paper) > 0.5 * (high - low);
  if (inverted) values = values.map((value) => low + high - value);
  return { values, inverted };
}

// Filters that grow while one looks: the same features in the same places, from one checkpoint to the next.

import { element } from "./dom.js";
import { geometry, paintFilter } from "./paint.js";

const GAP = 1; // pixels between two filters
const TURN = 450; // ms from one checkpoint to the next
const KEPT = 64e6; // bytes of checkpoints that can be gone back to

const still = matchMedia("(prefers-reduced-motion: reduce)");
const ease = (t) => t * t * (3 - 2 * t);

/** A canvas of filters, [n, D] as levels; `show` goes over to others in a moment. */
export function growing(label) {
  const canvas = element("canvas", { className: "growing pixels", role: "img" });
  const pen = canvas.getContext("2d", { alpha: false });
  let [shape, count, columns, now, from, to, start, frame] = [null, 0, 1, null, null, null, 0, 0];

  function sized() {
    const [height, width] = geometry(shape);
    const box = canvas.parentElement?.clientWidth || 800;
    const high = Math.max(260, Math.min(innerHeight * 0.72, box));
    const aspect = (box / high) * ((height + GAP) / (width + GAP));
    columns = Math.max(1, Math.min(count, Math.ceil(Math.sqrt(count * aspect))));
    canvas.width = columns * (width + GAP) + GAP;
    canvas.height = Math.ceil(count / columns) * (height + GAP) + GAP;
  }

  function paint() {
    const [height, width, channels] = geometry(shape);
    const size = height * width * channels;
    const image = new ImageData(width, height);
    const pixels = new Uint32Array(image.data.buffer);
    pen.fillStyle = getComputedStyle(canvas).backgroundColor;
    pen.fillRect(0, 0, canvas.width, canvas.height);
    for (let n = 0; n < count; n++) {
      paintFilter(now.subarray(n * size, (n + 1) * size), shape, pixels);
      pen.putImageData(image, GAP + (n % columns) * (width + GAP), GAP + Math.floor(n / columns) * (height + GAP));
    }
  }

  function step(time) {
    const part = Math.min(1, (time - start) / TURN);
    const weight = ease(Math.max(0, part));
    for (let at = 0; at < now.length; at++) now[at] = from[at] + weight * (to[at] - from[at]);
    paint();
    frame = part < 1 && canvas.isConnected ? requestAnimationFrame(step) : 0;
  }

  /** Go over to these levels of `n` filters; at once where nothing was shown, or people want no motion. */
  function show(levels, n, of, said, atOnce = false) {
    const fresh = now === null || n !== count || String(of) !== String(shape);
    [shape, count] = [of, n];
    canvas.setAttribute("aria-label", `${label}, ${said}`);
    if (fresh) sized();
    cancelAnimationFrame(frame);
    frame = 0;
    if (fresh || atOnce || still.matches) {
      now = Int8Array.from(levels);
      return paint();
    }
    [from, to, start] = [Int8Array.from(now), levels, performance.now()];
    frame = requestAnimationFrame(step);
  }

  function again() {
    if (now === null || !canvas.isConnected) return;
    sized();
    paint();
  }
  addEventListener("resize", again);
  return { canvas, show, close: () => { cancelAnimationFrame(frame); removeEventListener("resize", again); } };
}

/** The checkpoints that were seen, oldest first, as far as there is room for them; every other one goes before the rest. */
export class Film {
  constructor() {
    this.shots = [];
  }

  add(step, levels) {
    this.shots = this.shots.filter((shot) => shot.step < step);
    this.shots.push({ step, levels });
    if (this.shots.length * levels.length > KEPT) this.shots = this.shots.filter((_, n) => n % 2 === 0 || n === this.shots.length - 1);
  }
}

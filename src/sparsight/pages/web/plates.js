// What samples and outputs are shown on: a picture, bars by name, or a line where there are too many for bars.

import { element, say } from "./dom.js";
import { numbers, paintDifference, paintValues } from "./values.js";

/** Numbers that are shown as bars; where there are more, as a line. */
export const BARS = 300;
const TALL = 160;

/** A picture. `show(values)`; `differ(values, should)` shows what is too much and too little. */
function pictured(shape, low, high, name) {
  const canvas = element("canvas", { className: "pixels plate", role: "img", "aria-label": name });
  const over = element("canvas", { className: "pixels over", "aria-hidden": "true", hidden: true });
  const none = new Float32Array(shape.reduce((a, b) => a * b));
  return {
    node: element("div", { className: "framed" }, canvas, over),
    /** Lay a filter over it, signed bytes; null takes it away. */
    light(row) {
      over.hidden = row === null;
      if (row) paintDifference(over, row, none, shape, 100);
    },
    show: (values) => paintValues(canvas, values, shape, low, high),
    differ: (values, should) => paintDifference(canvas, values, should, shape, high - low),
  };
}

/** A bar for each number, from the mean to the number, with a tick at what should be there. */
function barred({ count, names, lows, highs, mean }, name) {
  const bars = Array.from({ length: count }, (_, n) => {
    const [bar, tick, number] = [element("i"), element("u"), element("dd", { className: "num" })];
    return { bar, tick, number, nodes: [element("dt", {}, names?.[n] ?? String(n)), element("dd", { className: "track", "aria-hidden": "true" }, bar, tick), number] };
  });
  const node = element("dl", { className: "bars plate", "aria-label": name }, bars.flatMap(({ nodes }) => nodes));
  const at = (n, value) => {
    const [low, high] = [lows[n], highs[n]];
    return high > low ? Math.max(0, Math.min(1, (value - low) / (high - low))) : 0.5;
  };
  function show(values, should = null) {
    bars.forEach(({ bar, tick, number }, n) => {
      const [from, to] = [at(n, mean[n]), at(n, values[n])];
      bar.style.marginLeft = `${100 * Math.min(from, to)}%`;
      bar.style.width = `${100 * Math.abs(to - from)}%`;
      bar.classList.toggle("less", to < from);
      tick.hidden = should === null;
      if (should) tick.style.left = `${100 * at(n, should[n])}%`;
      number.textContent = say(values[n]);
    });
  }
  return { node, show, differ: (values, should) => show(values, should) };
}

/** A line through all numbers, over a softer one of what should be there. */
function lined({ count, low, high }, name) {
  const wide = Math.min(2400, Math.max(600, count));
  const canvas = element("canvas", { className: "plate line", width: wide, height: TALL, role: "img", "aria-label": name });
  function draw(values, softly) {
    const pen = canvas.getContext("2d");
    pen.strokeStyle = getComputedStyle(softly ? canvas.parentNode : canvas).color;
    pen.globalAlpha = softly ? 0.4 : 1;
    pen.lineWidth = 1.5;
    pen.beginPath();
    values.forEach((value, n) => pen.lineTo(((n + 0.5) / count) * wide, TALL - 4 - ((value - low) / (high - low || 1)) * (TALL - 8)));
    pen.stroke();
  }
  function show(values, should = null) {
    canvas.getContext("2d").clearRect(0, 0, wide, TALL);
    if (should) draw(should, true);
    draw(values, false);
  }
  return { node: canvas, show, differ: show };
}

/** A plate for rows of numbers such as these. */
export function plate(like, name) {
  if (like.shape) return pictured(like.shape, like.low, like.high, name);
  return (like.count > BARS ? lined : barred)(like, name);
}

/** The numbers of `Range` that came as text. */
export const ranged = (like) => ({ ...like, lows: numbers(like.lows), highs: numbers(like.highs), mean: numbers(like.mean) });

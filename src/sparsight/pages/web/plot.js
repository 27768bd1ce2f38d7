// Curves that go on while one looks: lines and shares over one axis, with a cursor that all charts of a page share.

import { drawn, element, say } from "./dom.js";

const [WIDTH, HEIGHT, LEFT, RIGHT, TOP, BOTTOM] = [480, 230, 52, 12, 10, 30];
const [WIDE, HIGH] = [WIDTH - LEFT - RIGHT, HEIGHT - TOP - BOTTOM];
const COLOURS = 10; // of training.css, --c0 and so on

/** The round numbers of an axis. */
function ticks(low, high, log) {
  if (log && high / low >= 30) {
    const [first, last] = [Math.ceil(Math.log10(low) - 1e-9), Math.floor(Math.log10(high) + 1e-9)];
    const step = Math.max(1, Math.floor((last - first) / 4));
    const found = [];
    for (let n = first; n <= last; n += step) found.push(10 ** n);
    return found;
  }
  const rough = 10 ** Math.floor(Math.log10((high - low) / 4));
  const step = rough * [1, 2, 5, 10].find((m) => (high - low) / (m * rough) <= 5);
  const found = [];
  for (let n = Math.ceil(low / step - 1e-9); n * step <= high + 1e-9 * step; n++) found.push(n * step);
  return found;
}

const short = (value) => (value !== 0 && (Math.abs(value) < 1e-3 || Math.abs(value) >= 1e5) ? value.toExponential(0) : String(Number(value.toPrecision(4))));

/** The cursor of a page's charts: where it is, in units of the axis, or null. */
export function cursor() {
  const charts = new Set();
  return {
    at: null,
    join: (chart) => charts.add(chart),
    move(at) {
      this.at = at;
      for (const chart of charts) chart();
    },
  };
}

/**
 * A chart that is drawn anew with `show`.
 *
 * @param {string} title
 * @param {{ x: string, log?: boolean, stacked?: boolean, format?: (value: number) => string }} how
 * @param {ReturnType<typeof cursor>} shared
 */
export function plot(title, { x, log = false, stacked = false, format = say }, shared) {
  const ink = drawn("g");
  const line = drawn("path", { class: "cursor" });
  const picture = drawn("svg", { viewBox: `0 0 ${WIDTH} ${HEIGHT}`, class: "plot", role: "img", tabindex: "0" }, ink, line);
  const legend = element("ul", { className: "legend" });
  let [xs, series, span] = [[], [], [0, 1]];

  const across = (v) => LEFT + (WIDE * (v - span[0])) / (span[1] - span[0] || 1);

  function show(at, named) {
    const all = Object.entries(named).map(([name, values], n) => ({ name, values, hue: `c${n % COLOURS}` }));
    const kept = all.filter(({ values }) => values.some((v) => Number.isFinite(v) && (v > 0 || !(log || stacked))));
    [xs, series] = [at, kept];
    if (xs.length < 2 || !kept.length) return void ink.replaceChildren(text(WIDTH / 2, HEIGHT / 2, "nothing is logged yet", "middle"));
    span = [xs[0], xs.at(-1)];
    const known = stacked ? [0, 1] : kept.flatMap(({ values }) => values.filter((v) => Number.isFinite(v) && (!log || v > 0)));
    const [low, high] = widened(known.reduce((a, b) => Math.min(a, b)), known.reduce((a, b) => Math.max(a, b)), log);
    const scale = log ? Math.log10 : (v) => v;
    const up = (v) => TOP + HIGH * (1 - (scale(Math.max(v, log ? low : v)) - scale(low)) / (scale(high) - scale(low)));
    const parts = ticks(low, high, log).map((tick) => [
      drawn("path", { d: `M${LEFT} ${up(tick).toFixed(1)}H${WIDTH - RIGHT}`, class: "rule" }),
      text(LEFT - 6, up(tick) + 4, short(tick), "end")]);
    parts.push(ticks(...span, false).map((tick) => text(across(tick), HEIGHT - BOTTOM + 16, short(tick), "middle")));
    parts.push(text(WIDTH - RIGHT, HEIGHT - 2, x, "end"));
    let floor = xs.map(() => 0);
    kept.forEach(({ values, hue }) => {
      if (!stacked) return void parts.push(drawn("path", { d: path(values, up), class: `line ${hue}` }));
      const roof = values.map((v, i) => floor[i] + (Number.isFinite(v) ? v : 0));
      const [there, back] = [points(roof, up), points(floor, up).reverse()];
      parts.push(drawn("path", { d: `M${[...there, ...back].join("L")}Z`, class: `area ${hue}` }));
      floor = roof;
    });
    ink.replaceChildren(...parts.flat(2));
    picture.setAttribute("aria-label", `${title}: ${kept.map(({ name, values }) => `${name} ${format(last(values))}`).join(", ")}`);
    legend.replaceChildren(...kept.map(({ name, hue }) => element("li", { className: hue }, name, " ", element("b"))));
    point();
  }

  const points = (values, up) => values.map((v, n) => `${across(xs[n]).toFixed(1)} ${up(v).toFixed(1)}`);

  function path(values, up) {
    let [d, pen] = ["", "M"];
    values.forEach((v, n) => {
      if (!Number.isFinite(v) || (log && v <= 0)) return;
      d += `${pen}${across(xs[n]).toFixed(1)} ${up(v).toFixed(1)}`;
      pen = "L";
    });
    return d;
  }

  /** The numbers where the cursor is, or the last ones; what is measured seldom is that of the time before. */
  function point() {
    const here = shared.at === null || !xs.length ? xs.length - 1 : nearest(xs, shared.at);
    line.setAttribute("d", shared.at === null || here < 0 ? "" : `M${across(xs[here]).toFixed(1)} ${TOP}v${HIGH}`);
    [...legend.children].forEach((item, n) => {
      item.lastChild.textContent = format(last(series[n].values.slice(0, here + 1)));
    });
  }
  shared.join(point);

  picture.addEventListener("pointermove", (event) => {
    const box = picture.getBoundingClientRect();
    const part = (((event.clientX - box.left) / box.width) * WIDTH - LEFT) / WIDE;
    shared.move(span[0] + Math.max(0, Math.min(1, part)) * (span[1] - span[0]));
  });
  picture.addEventListener("pointerleave", () => shared.move(null));
  picture.addEventListener("blur", () => shared.move(null));
  picture.addEventListener("keydown", (event) => {
    const step = { ArrowLeft: -1, ArrowRight: 1, Home: -Infinity, End: Infinity }[event.key];
    if (step === undefined || !xs.length) return;
    event.preventDefault();
    const here = shared.at === null ? xs.length - 1 : nearest(xs, shared.at);
    shared.move(xs[Math.max(0, Math.min(xs.length - 1, here + step))]);
  });
  return { node: element("div", { className: "plotted" }, element("h3", {}, title), legend, picture), show };
}

const last = (values) => values.findLast((v) => Number.isFinite(v)) ?? NaN;

function nearest(xs, at) {
  const after = xs.findIndex((x) => x >= at);
  if (after <= 0) return after < 0 ? xs.length - 1 : 0;
  return at - xs[after - 1] < xs[after] - at ? after - 1 : after;
}

function widened(low, high, log) {
  if (log) return high > low ? [Math.max(low, high * 1e-9), high] : [low / 2, low * 2];
  return high > low ? [low, high] : [low - 0.5, high + 0.5];
}

const text = (x, y, said, anchor) => drawn("text", { x: x.toFixed(1), y: y.toFixed(1), "text-anchor": anchor }, said);

// Features as a table of which only the rows in sight exist.

import { column } from "./ask.js";
import { element, say } from "./dom.js";

const HIGH = 29;
const TALLEST = 8e6;

export function list(place, run, columns, on, said = null) {
  const names = Object.keys(columns).filter((name) => !/gabor_(?!r2)|^death$/.test(name));
  const body = element("tbody");
  const above = element("tbody");
  const below = element("tbody");
  const heads = element("tr", {}, element("th", { scope: "col" }, "feature"), said && element("th", { scope: "col", className: "label" }, "label"), names.map((name) =>
    element("th", { scope: "col", title: columns[name].about }, element("button", { onclick: () => on.sort(name) }, name))));
  const scroller = element("div", { className: "list", tabIndex: 0, role: "region", "aria-label": "table of features" },
    element("table", {}, element("thead", {}, heads), above, body, below));
  place.replaceChildren(scroller);
  const state = { order: new Uint32Array(0), selected: -1, sort: "" };
  let values = {};
  let pending = 0;

  const spacer = (height) => element("tr", { "aria-hidden": "true" }, element("td", { colSpan: names.length + 2, style: { height: `${height}px`, padding: 0, border: 0 } }));
  function draw() {
    pending = 0;
    const total = state.order.length;
    const high = Math.min(HIGH, TALLEST / Math.max(1, total));
    const count = Math.ceil(scroller.clientHeight / HIGH) + 6;
    const first = Math.max(0, Math.min(total - count, Math.floor(scroller.scrollTop / high) - 2));
    const rows = [...state.order.subarray(first, first + count)];
    above.replaceChildren(spacer(first * high));
    below.replaceChildren(spacer(Math.max(0, (total - first - rows.length) * high)));
    body.replaceChildren(...rows.map((id) => element("tr", { className: id === state.selected ? "on" : "", onclick: () => on.select(id) },
      element("td", {}, element("a", { href: `#/run/${encodeURIComponent(run)}/feature/${id}` }, String(id))),
      said && element("td", { className: "label", dir: "auto" }, said.line(id)),
      names.map((name) => element("td", {}, say(values[name]?.[id]))))));
    said?.want(rows);
  }
  const soon = () => { pending ||= requestAnimationFrame(draw); };
  if (said) said.heard = soon;
  scroller.addEventListener("scroll", soon, { passive: true });
  const watch = new ResizeObserver(soon);
  watch.observe(scroller);

  return {
    async show(changes) {
      Object.assign(state, changes);
      if (changes.order) scroller.scrollTop = 0;
      [...heads.cells].forEach((head, n) => head.setAttribute("aria-sort", names[n - (said ? 2 : 1)] === state.sort ? "other" : "none"));
      const found = await Promise.all(names.map(async (name) => [name, await column(run, name)]));
      values = Object.fromEntries(found);
      draw();
    },
    select(id) {
      state.selected = id;
      soon();
    },
    redraw: soon,
    close: () => watch.disconnect(),
  };
}

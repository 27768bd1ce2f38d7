// The grid of features that are words: as many as there are, of which only those in sight exist.

import { element, say } from "./dom.js";
import { label, shares } from "./words.js";

const [WIDE, HIGH, GAP] = [196, 132, 6];
const TALLEST = 8e6; // px that every browser can scroll

/**
 * A grid of tiles with the words that activity goes to.
 *
 * @param {HTMLElement} place
 * @param {Words} store
 * @param {object} on as `grid` takes it
 */
export function wordgrid(place, store, on) {
  const inner = element("div", { className: "inner", role: "presentation" });
  const spacer = element("div", { role: "presentation" });
  const scroller = element("div", { className: "grid wordgrid", tabIndex: 0, role: "listbox", "aria-label": "features: arrow keys choose one, Enter opens it" }, inner, spacer);
  place.replaceChildren(scroller);
  const state = { order: new Uint32Array(0), selected: -1 };
  let pending = 0;

  function layout() {
    const columns = Math.max(1, Math.floor((scroller.clientWidth - GAP) / (WIDE + GAP)));
    const rows = Math.ceil(state.order.length / columns);
    const real = rows * (HIGH + GAP) + GAP;
    const tall = Math.min(real, TALLEST);
    return { columns, rows, tall, ratio: real > tall ? (real - scroller.clientHeight) / Math.max(1, tall - scroller.clientHeight) : 1 };
  }

  function draw() {
    pending = 0;
    const { columns, rows, tall, ratio } = layout();
    spacer.style.height = `${tall}px`;
    const top = scroller.scrollTop * ratio;
    const first = Math.max(0, Math.floor((top - GAP) / (HIGH + GAP)));
    const last = Math.min(rows - 1, Math.floor((top + scroller.clientHeight) / (HIGH + GAP)));
    inner.style.gridTemplateColumns = `repeat(${columns}, minmax(0, 1fr))`;
    inner.style.transform = `translateY(${scroller.scrollTop + GAP + first * (HIGH + GAP) - top}px)`;
    const ids = [...state.order.subarray(first * columns, (last + 1) * columns)];
    inner.replaceChildren(...ids.map((id, n) => tile(id, first * columns + n)));
    scroller.setAttribute("aria-activedescendant", ids.includes(state.selected) ? `tile-${state.selected}` : "");
    store.want(ids);
  }
  const soon = () => { pending ||= requestAnimationFrame(draw); };
  store.heard = soon;

  function tile(id, n) {
    const said = store.of(id);
    const name = said ? label(said) || (on.dim(id) ? "never fired" : "no label") : "…";
    return element("div", {
      id: `tile-${id}`, className: on.dim(id) ? "tile dim" : "tile", role: "option", "aria-selected": String(id === state.selected),
      "aria-label": on.label(id), "aria-posinset": String(n + 1), "aria-setsize": String(state.order.length), data: { id },
    },
    element("div", { className: "top" }, element("b", { dir: "auto" }, name), element("span", { className: "soft num" }, said?.score == null ? "" : `φ ${say(said.score)}`)),
    said && shares(said.words.slice(0, 4)),
    element("span", { className: "soft num which" }, String(id)));
  }

  function reveal(n) {
    const { columns, ratio } = layout();
    const y = Math.floor(n / columns) * (HIGH + GAP);
    const top = scroller.scrollTop * ratio;
    if (y < top) scroller.scrollTop = y / ratio;
    else if (y + HIGH + 2 * GAP > top + scroller.clientHeight) scroller.scrollTop = (y + HIGH + 2 * GAP - scroller.clientHeight) / ratio;
  }

  function select(id, move = false) {
    state.selected = id;
    const n = state.order.indexOf(id);
    if (move && n >= 0) reveal(n);
    soon();
  }

  const under = (event) => Number(event.target.closest(".tile")?.dataset.id ?? -1);
  scroller.addEventListener("click", (event) => { if (under(event) >= 0) on.select(under(event)); });
  scroller.addEventListener("dblclick", (event) => { if (under(event) >= 0) on.open(under(event)); });
  scroller.addEventListener("keydown", (event) => {
    const { columns } = layout();
    const page = Math.max(1, Math.floor(scroller.clientHeight / (HIGH + GAP))) * columns;
    const end = state.order.length - 1;
    const at = state.order.indexOf(state.selected);
    const to = { ArrowLeft: at - 1, ArrowRight: at + 1, ArrowUp: at - columns, ArrowDown: at + columns, PageUp: at - page, PageDown: at + page, Home: 0, End: end }[event.key];
    if (event.key === "Enter" && at >= 0) on.open(state.selected);
    if (to === undefined || end < 0) return;
    event.preventDefault();
    const id = state.order[at < 0 ? 0 : Math.max(0, Math.min(end, to))];
    on.select(id);
    select(id, true);
  });
  scroller.addEventListener("scroll", soon, { passive: true });
  const watch = new ResizeObserver(soon);
  watch.observe(scroller);

  return {
    select,
    redraw: soon,
    show(changes) {
      if (changes.order) scroller.scrollTop = 0;
      Object.assign(state, changes);
      soon();
    },
    close: () => watch.disconnect(),
  };
}

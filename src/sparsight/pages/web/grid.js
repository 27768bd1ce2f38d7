// The grid of filters: any number of them, of which only those in sight are painted.

import { tiles } from "./ask.js";
import { geometry, paintFilter, paintInk, palette } from "./paint.js";

const BUDGET = 96e6; // bytes of levels that are kept
const AT_ONCE = 384; // tiles of one question
const QUESTIONS = 2;
const SLOTS = 64; // tiles across and down a sheet
const SHEETS = 2;
const SLICE = 6; // ms of painting in a frame
const GAP = 3;
const TALLEST = 8e6; // px that every browser can scroll

/** Filters by side and feature: asked for, kept while there is room, and painted on sheets from which the grid copies. */
export class Store {
  constructor(run, shape, ink = false) {
    this.run = run;
    this.ink = ink;
    this.shape = shape;
    [this.height, this.width] = geometry(shape);
    this.levels = new Map();
    this.asked = new Set();
    this.waiting = [];
    this.slots = new Map();
    this.sheets = [];
    this.next = 0;
    this.most = 0; // the largest |w| that has arrived: what all are scaled by where the scale is shared
    this.busy = 0;
    this.arrived = () => {};
  }

  /** Forget how tiles are painted; their numbers stay. */
  repaint() {
    this.slots.clear();
    this.next = 0;
    this.waiting = [];
  }

  /** Where a tile is painted: [sheet, x, y]; undefined: nowhere yet. */
  slot(key) {
    return this.slots.get(key);
  }

  /** Paint tiles that have arrived for some milliseconds; whether some are left. */
  work() {
    const until = performance.now() + SLICE;
    while (this.waiting.length) {
      this.put(this.waiting.pop());
      if (performance.now() > until) return this.waiting.length > 0;
    }
    return false;
  }

  put(key) {
    const known = this.levels.get(key);
    if (!known || this.slots.has(key)) return;
    const capacity = SLOTS * SLOTS * SHEETS;
    const at = this.next++ % capacity;
    const sheet = Math.floor(at / (SLOTS * SLOTS));
    this.sheets[sheet] ??= this.sheet();
    const { canvas, pen, owners } = this.sheets[sheet];
    const place = at % (SLOTS * SLOTS);
    if (owners[place] !== undefined) this.slots.delete(owners[place]);
    owners[place] = key;
    const [x, y] = [(place % SLOTS) * this.width, Math.floor(place / SLOTS) * this.height];
    const image = new ImageData(this.width, this.height);
    const factor = palette.scale === "own" ? 1 : known.peak / (this.most || 1);
    if (this.ink) paintInk(known.levels, this.shape, new Uint32Array(image.data.buffer));
    else paintFilter(known.levels, this.shape, new Uint32Array(image.data.buffer), factor);
    pen.putImageData(image, x, y);
    this.slots.set(key, [canvas, x, y]);
  }

  sheet() {
    const canvas = document.createElement("canvas");
    canvas.width = SLOTS * this.width;
    canvas.height = SLOTS * this.height;
    return { canvas, pen: canvas.getContext("2d", { willReadFrequently: true }), owners: [] };
  }

  /** Ask for tiles that are in sight; what is not known and not asked for yet. */
  want(wanted) {
    for (const [side, ids] of wanted) {
      const missing = [];
      for (const id of ids) {
        const key = `${side}:${id}`;
        if (this.levels.has(key)) {
          if (!this.slots.has(key)) this.waiting.push(key);
        } else if (!this.asked.has(key)) missing.push(id);
      }
      for (let at = 0; at < missing.length && this.busy < QUESTIONS; at += AT_ONCE) this.fetch(side, missing.slice(at, at + AT_ONCE));
    }
    if (this.waiting.length) this.arrived();
  }

  async fetch(side, ids) {
    this.busy++;
    for (const id of ids) this.asked.add(`${side}:${id}`);
    try {
      const { peaks, levels } = await tiles(this.run, side, ids);
      const width = levels.length / ids.length;
      ids.forEach((id, n) => {
        const key = `${side}:${id}`;
        this.levels.set(key, { peak: peaks[n], levels: levels.subarray(n * width, (n + 1) * width) });
        this.waiting.push(key);
      });
      const most = peaks.reduce((a, b) => Math.max(a, b), this.most);
      if (most > this.most && palette.scale === "shared") this.repaint();
      this.most = most;
      for (const key of this.levels.keys()) {
        if (this.levels.size * width < BUDGET) break;
        this.levels.delete(key);
      }
    } finally {
      this.busy--;
      for (const id of ids) this.asked.delete(`${side}:${id}`);
      this.arrived();
    }
  }
}

/**
 * A grid in a place that scrolls.
 *
 * @param {HTMLElement} place
 * @param {Store} store
 * @param {object} on `hover(id, event)`, `select(id)`, `open(id)`, `dim(id) -> boolean`, `label(id) -> string`
 */
export function grid(place, store, on) {
  const canvas = document.createElement("canvas");
  canvas.tabIndex = 0;
  canvas.setAttribute("role", "application");
  canvas.setAttribute("aria-roledescription", "grid of features");
  const spacer = document.createElement("div");
  place.replaceChildren(canvas, spacer);
  const pen = canvas.getContext("2d", { alpha: false });
  const state = { order: new Uint32Array(0), sides: ["decoder"], size: 56, selected: -1, hovered: -1 };
  let box = { width: 0, height: 0 };
  let pending = 0;

  function layout() {
    const cell = [state.size * state.sides.length + (state.sides.length - 1) + GAP, Math.round((state.size * store.height) / store.width) + GAP];
    const columns = Math.max(1, Math.floor((box.width - GAP) / cell[0]));
    const rows = Math.ceil(state.order.length / columns);
    const real = rows * cell[1] + GAP;
    const tall = Math.min(real, TALLEST);
    const far = Math.max(1, tall - box.height);
    return { cell, columns, rows, real, tall, ratio: real > tall ? (real - box.height) / far : 1 };
  }

  function resize() {
    box = { width: place.clientWidth, height: place.clientHeight };
    const ratio = devicePixelRatio || 1;
    canvas.width = Math.round(box.width * ratio);
    canvas.height = Math.round(box.height * ratio);
    canvas.style.width = `${box.width}px`;
    canvas.style.height = `${box.height}px`;
    fit();
  }

  function fit() {
    spacer.style.height = `${Math.max(0, layout().tall - box.height)}px`;
    soon();
  }

  function soon() {
    if (!pending) pending = requestAnimationFrame(draw);
  }

  const offset = (at) => place.scrollTop * at.ratio;

  function draw() {
    pending = 0;
    const left = store.work();
    const at = layout();
    const top = offset(at);
    const ratio = devicePixelRatio || 1;
    const [wide, high] = at.cell;
    const [tileWide, tileHigh] = [state.size, high - GAP];
    pen.setTransform(ratio, 0, 0, ratio, 0, 0);
    pen.fillStyle = getComputedStyle(place).backgroundColor;
    pen.fillRect(0, 0, box.width, box.height);
    pen.imageSmoothingEnabled = tileWide * ratio < store.width;
    const first = Math.max(0, Math.floor((top - GAP) / high));
    const last = Math.min(at.rows - 1, Math.floor((top + box.height) / high));
    const missing = new Map(state.sides.map((side) => [side, []]));
    for (let row = first; row <= last; row++) {
      for (let column = 0; column < at.columns; column++) {
        const place_ = row * at.columns + column;
        if (place_ >= state.order.length) break;
        const id = state.order[place_];
        const y = Math.round(GAP + row * high - top);
        pen.globalAlpha = on.dim(id) ? 0.28 : 1;
        state.sides.forEach((side, n) => {
          const x = GAP + column * wide + n * (tileWide + 1);
          const slot = store.slot(`${side}:${id}`);
          if (slot) pen.drawImage(slot[0], slot[1], slot[2], store.width, store.height, x, y, tileWide, tileHigh);
          else {
            pen.fillStyle = "rgba(128, 128, 128, .35)";
            pen.fillRect(x, y, tileWide, tileHigh);
            missing.get(side).push(id);
          }
        });
        pen.globalAlpha = 1;
        if (id === state.selected || id === state.hovered) {
          pen.strokeStyle = id === state.selected ? "#ff7a1a" : "#6ea8e8";
          pen.lineWidth = 3;
          pen.strokeRect(GAP + column * wide - 1.5, y - 1.5, wide - GAP + 3, tileHigh + 3);
        }
      }
    }
    if (left) soon();
    store.want(missing);
  }
  store.arrived = soon;

  function under(event) {
    const at = layout();
    const area = canvas.getBoundingClientRect();
    const column = Math.floor((event.clientX - area.left - GAP / 2) / at.cell[0]);
    const row = Math.floor((event.clientY - area.top + offset(at) - GAP / 2) / at.cell[1]);
    const n = row * at.columns + column;
    return column < 0 || column >= at.columns || n < 0 || n >= state.order.length ? -1 : state.order[n];
  }

  function reveal(n) {
    const at = layout();
    const y = Math.floor(n / at.columns) * at.cell[1];
    const top = offset(at);
    if (y < top) place.scrollTop = y / at.ratio;
    else if (y + at.cell[1] + GAP > top + box.height) place.scrollTop = (y + at.cell[1] + GAP - box.height) / at.ratio;
  }

  function select(id, move = false) {
    state.selected = id;
    const n = state.order.indexOf(id);
    if (move && n >= 0) reveal(n);
    canvas.setAttribute("aria-label", id < 0 ? "features: arrow keys choose one, Enter opens it" : on.label(id));
    soon();
  }

  canvas.addEventListener("pointermove", (event) => {
    const id = under(event);
    if (id !== state.hovered) {
      state.hovered = id;
      soon();
    }
    on.hover(id, event);
  });
  canvas.addEventListener("pointerleave", (event) => {
    state.hovered = -1;
    on.hover(-1, event);
    soon();
  });
  canvas.addEventListener("click", (event) => {
    const id = under(event);
    if (id >= 0) on.select(id);
  });
  canvas.addEventListener("dblclick", (event) => {
    const id = under(event);
    if (id >= 0) on.open(id);
  });
  canvas.addEventListener("keydown", (event) => {
    const { columns, cell } = layout();
    const page = Math.max(1, Math.floor(box.height / cell[1])) * columns;
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
  place.addEventListener("scroll", soon, { passive: true });
  const watch = new ResizeObserver(resize);
  watch.observe(place);
  resize();
  select(-1);

  return {
    canvas,
    select,
    focus: () => canvas.focus(),
    redraw: soon,
    /** Show these features, of these sides, at this size in px. */
    show(changes) {
      const same = changes.order === undefined;
      Object.assign(state, changes);
      if (!same) place.scrollTop = 0;
      fit();
    },
    /** The size at which this many tiles fit. */
    fitting(count) {
      const high = store.height / store.width;
      for (let size = 128; size > 44; size -= 2) {
        const columns = Math.floor((box.width - GAP) / (size * state.sides.length + GAP));
        if (columns > 0 && Math.ceil(count / columns) * (size * high + GAP) + GAP <= box.height) return size;
      }
      return 56;
    },
    close: () => watch.disconnect(),
  };
}

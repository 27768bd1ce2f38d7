// Features laid out by their decoder rows: what is alike lies together. Wheel or pinch zooms, dragging moves.

import { bytes, of } from "./ask.js";
import { element } from "./dom.js";
import { Store } from "./grid.js";

const MOST = 3000; // pictures that are painted at once; beyond, features are points

export async function map(place, run, about, on) {
  const places = new Float32Array(await bytes(of(run, "map")));
  const canvas = element("canvas", { className: "map", tabIndex: 0 });
  canvas.setAttribute("role", "application");
  canvas.setAttribute("aria-roledescription", "map of features");
  canvas.setAttribute("aria-label", "features by their decoder rows: arrow keys go to the nearest one in a direction, plus and minus zoom");
  place.replaceChildren(canvas);
  const store = about.sides.length ? new Store(run, about.shape, true) : null;
  const pen = canvas.getContext("2d", { alpha: false });
  const state = { order: new Uint32Array(0), selected: -1, hovered: -1, zoom: 1, x: 0.5, y: 0.5 };
  let box = { width: 1, height: 1 };
  const layer = document.createElement("canvas");
  let pending = 0;
  const side = about.sides.includes("decoder") ? "decoder" : "encoder";
  const fingers = new Map();
  let moved = false;

  const spread = () => Math.min(box.width, box.height * 1.6) * 0.92 * state.zoom;
  const high = () => Math.min(box.height, box.width) * 0.86 * state.zoom;
  const at = (id) => [box.width / 2 + (places[2 * id] - state.x) * spread(), box.height / 2 + (places[2 * id + 1] - state.y) * high()];
  const soon = () => { pending ||= requestAnimationFrame(draw); };

  function draw() {
    pending = 0;
    const left = store?.work();
    const ratio = devicePixelRatio || 1;
    pen.setTransform(ratio, 0, 0, ratio, 0, 0);
    pen.fillStyle = getComputedStyle(canvas).backgroundColor;
    pen.fillRect(0, 0, box.width, box.height);
    const inside = [];
    for (const id of state.order) {
      const [x, y] = at(id);
      if (x > -40 && y > -40 && x < box.width + 40 && y < box.height + 40) inside.push(id);
    }
    const pictured = store && inside.length <= MOST;
    const size = Math.max(8, Math.min(110, 1.15 * Math.sqrt((box.width * box.height) / Math.max(1, state.order.length)) * state.zoom ** 0.8));
    const missing = [];
    pen.fillStyle = "#6ea8e8";
    if (!pictured && inside.length > MOST) points(inside, ratio);
    else {
      for (const id of inside) {
        const [x, y] = at(id);
        const slot = pictured && store.slot(`${side}:${id}`);
        pen.globalAlpha = on.dim(id) ? 0.3 : 1;
        if (slot) pen.drawImage(slot[0], slot[1], slot[2], store.width, store.height, x - size / 2, y - size / 2, size, (size * store.height) / store.width);
        else {
          pen.fillRect(x - 3, y - 3, 6, 6);
          if (pictured) missing.push(id);
        }
      }
    }
    pen.globalAlpha = 1;
    for (const [id, colour] of [[state.hovered, "#6ea8e8"], [state.selected, "#ff7a1a"]]) {
      if (id < 0) continue;
      const [x, y] = at(id);
      pen.strokeStyle = colour;
      pen.lineWidth = 3;
      const frame = pictured ? size + 3 : 10;
      pen.strokeRect(x - frame / 2, y - frame / 2, frame, frame);
    }
    if (left) soon();
    if (missing.length) store.want(new Map([[side, missing]]));
  }

  /** Features as points: the more lie in a pixel, the brighter. */
  function points(inside, ratio) {
    const counts = new Uint32Array(canvas.width * canvas.height);
    let most = 1;
    for (const id of inside) {
      const [x, y] = at(id).map((v) => Math.round(v * ratio));
      for (let n = 0; n < 4; n++) {
        const [px, py] = [x + (n & 1), y + (n >> 1)];
        if (px < 0 || px >= canvas.width || py < 0 || py >= canvas.height) continue;
        most = Math.max(most, ++counts[py * canvas.width + px]);
      }
    }
    const image = pen.createImageData(canvas.width, canvas.height);
    const pixels = new Uint32Array(image.data.buffer);
    const far = Math.log1p(most);
    for (let i = 0; i < counts.length; i++) {
      if (counts[i]) pixels[i] = (((60 + (195 * Math.log1p(counts[i])) / far) << 24) | 0xe8a86e) >>> 0; // alpha, blue, green, red
    }
    layer.width = canvas.width;
    layer.height = canvas.height;
    layer.getContext("2d").putImageData(image, 0, 0);
    pen.setTransform(1, 0, 0, 1, 0, 0);
    pen.drawImage(layer, 0, 0);
    pen.setTransform(ratio, 0, 0, ratio, 0, 0);
  }
  if (store) store.arrived = soon;

  function nearest(event) {
    const area = canvas.getBoundingClientRect();
    const [px, py] = [event.clientX - area.left, event.clientY - area.top];
    let best = -1;
    let least = 40 ** 2;
    for (const id of state.order) {
      const [x, y] = at(id);
      const far = (x - px) ** 2 + (y - py) ** 2;
      if (far < least) [best, least] = [id, far];
    }
    return best;
  }

  function zoom(factor, px = box.width / 2, py = box.height / 2) {
    const [x, y] = [state.x + (px - box.width / 2) / spread(), state.y + (py - box.height / 2) / high()];
    state.zoom = Math.max(0.5, Math.min(200, state.zoom * factor));
    state.x = x - (px - box.width / 2) / spread();
    state.y = y - (py - box.height / 2) / high();
    soon();
  }

  canvas.addEventListener("wheel", (event) => {
    event.preventDefault();
    const area = canvas.getBoundingClientRect();
    zoom(Math.exp(-event.deltaY / 400), event.clientX - area.left, event.clientY - area.top);
  }, { passive: false });
  canvas.addEventListener("pointerdown", (event) => {
    canvas.setPointerCapture(event.pointerId);
    fingers.set(event.pointerId, [event.clientX, event.clientY]);
    moved = false;
  });
  canvas.addEventListener("pointermove", (event) => {
    const before = fingers.get(event.pointerId);
    if (!before) {
      const id = nearest(event);
      if (id !== state.hovered) soon();
      state.hovered = id;
      return on.hover(id, event);
    }
    const [dx, dy] = [event.clientX - before[0], event.clientY - before[1]];
    if (Math.abs(dx) + Math.abs(dy) < 4 && !moved) return undefined;
    moved = true;
    if (fingers.size === 2) {
      const [other] = [...fingers].filter(([id]) => id !== event.pointerId).map(([, p]) => p);
      const far = (p) => Math.hypot(p[0] - other[0], p[1] - other[1]) || 1;
      const area = canvas.getBoundingClientRect();
      zoom(far([event.clientX, event.clientY]) / far(before), other[0] - area.left, other[1] - area.top);
    } else {
      state.x -= dx / spread();
      state.y -= dy / high();
    }
    fingers.set(event.pointerId, [event.clientX, event.clientY]);
    return soon();
  });
  for (const name of ["pointerup", "pointercancel"]) canvas.addEventListener(name, (event) => {
    fingers.delete(event.pointerId);
    if (name === "pointerup" && !moved) {
      const id = nearest(event);
      if (id >= 0) on.select(id);
    }
  });
  canvas.addEventListener("pointerleave", (event) => {
    state.hovered = -1;
    on.hover(-1, event);
    soon();
  });
  canvas.addEventListener("dblclick", (event) => {
    const id = nearest(event);
    if (id >= 0) on.open(id);
  });
  canvas.addEventListener("keydown", (event) => {
    const toward = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] }[event.key];
    if (event.key === "+" || event.key === "=") zoom(1.3);
    if (event.key === "-") zoom(1 / 1.3);
    if (event.key === "Enter" && state.selected >= 0) on.open(state.selected);
    if (!toward || !state.order.length) return;
    event.preventDefault();
    on.select(state.selected < 0 ? state.order[0] : beside(toward));
  });

  function beside([dx, dy]) {
    const [x0, y0] = at(state.selected);
    let best = state.selected;
    let least = Infinity;
    for (const id of state.order) {
      const [x, y] = at(id);
      const along = (x - x0) * dx + (y - y0) * dy;
      const across = Math.abs((x - x0) * dy) + Math.abs((y - y0) * dx);
      if (along > 0.5 && along + 2 * across < least) [best, least] = [id, along + 2 * across];
    }
    return best;
  }

  const watch = new ResizeObserver(() => {
    box = { width: place.clientWidth, height: place.clientHeight };
    canvas.width = Math.round(box.width * (devicePixelRatio || 1));
    canvas.height = Math.round(box.height * (devicePixelRatio || 1));
    soon();
  });
  watch.observe(place);
  return {
    show(changes) {
      Object.assign(state, changes);
      soon();
    },
    select(id, move = false) {
      state.selected = id;
      const [x, y] = at(id);
      if (move && (x < 0 || y < 0 || x > box.width || y > box.height)) [state.x, state.y] = [places[2 * id], places[2 * id + 1]];
      soon();
    },
    redraw: soon,
    close: () => watch.disconnect(),
  };
}

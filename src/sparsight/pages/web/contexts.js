// What samples are parts of: tokens of a text, or cells of a picture, with a feature's codes on them.

import { ask, of } from "./ask.js";
import { announce, element, say } from "./dom.js";

const FAINTEST = 0.1; // of what is not 0, so that it is seen
const LEAST = 240; // px of a picture's longer side

/** Say something beside a place on the screen; null: nothing any more. */
export function hint(said, box) {
  const tip = document.getElementById("tip");
  tip.hidden = said === null;
  if (said === null) return;
  tip.textContent = said;
  tip.style.left = `${Math.max(4, Math.min(box.left, innerWidth - 250))}px`;
  tip.style.top = `${Math.min(box.bottom + 6, innerHeight - 60)}px`;
}

const strength = (code, most) => (code && most > 0 ? Math.max(FAINTEST, Math.min(1, Math.abs(code) / most)) : 0);
const told = (code) => (code === undefined ? "" : code === null ? ": no sample" : `: ${say(code)}`);

/**
 * Move over parts by pointer and by keys.
 *
 * @param {HTMLElement} node that has the focus
 * @param {object} parts `count`, `start`, `under(event) -> n`, `step(key) -> how far`, `said(n)`, `box(n)`, `mark(n)`, and
 *   `choose(n)` if something can be done with a part
 */
function walked(node, { count, start, under, step, said, box, mark, choose }) {
  let at = -1;
  const go = (n) => {
    at = n;
    mark(n);
    hint(n < 0 ? null : said(n), n < 0 ? null : box(n));
  };
  node.addEventListener("pointermove", (event) => { if (event.pointerType !== "touch") go(under(event)); });
  node.addEventListener("pointerleave", () => go(-1));
  node.addEventListener("blur", () => go(-1));
  node.addEventListener("click", (event) => {
    const n = under(event);
    if (n < 0) return;
    go(n);
    choose?.(n);
  });
  node.addEventListener("keydown", (event) => {
    if (event.key === "Enter" && at >= 0) choose?.(at);
    if (event.key === "Escape") go(-1);
    const far = step(event.key);
    if (!far) return;
    event.preventDefault();
    event.stopPropagation(); // the page has arrow keys of its own
    const to = at < 0 ? start : at + far;
    if (to < 0 || to >= count) return;
    go(to);
    announce(said(to));
  });
}

/** A text: `tokens`, `codes` and which token is meant, `here`; strengths are relative to `most`. */
export function text({ tokens, codes, here }, most, choose = null) {
  const spans = tokens.map((token, n) => {
    const code = codes?.[n] ?? 0;
    const part = Math.round(100 * strength(code, most));
    const made = element("span", { className: n === here ? "token here" : "token" }, token);
    if (part) made.style.backgroundColor = `color-mix(in srgb, var(--${code < 0 ? "cold" : "heat"}) ${part}%, transparent)`;
    return made;
  });
  const words = tokens.join("");
  const node = element("p", { className: choose ? "text chosen" : "text", dir: "auto", tabIndex: 0, role: "group",
    "aria-roledescription": "text; arrow keys go from token to token",
    "aria-label": `“${tokens[here]}”${told(codes?.[here])} in: ${words}` }, spans);
  const right = () => (getComputedStyle(node).direction === "rtl" ? -1 : 1);
  walked(node, {
    count: spans.length, start: here, choose,
    under: (event) => spans.indexOf(event.target.closest(".token")),
    step: (key) => ({ ArrowLeft: -right(), ArrowRight: right() })[key] ?? 0,
    said: (n) => `“${tokens[n]}”${told(codes?.[n])}`,
    box: (n) => spans[n].getBoundingClientRect(),
    mark: (n) => spans.forEach((span, m) => span.classList.toggle("at", m === n)),
  });
  return node;
}

const pictures = new Map();
/** The picture that a sample is a part of, as an image; it is asked for once. */
function pictured(run, key) {
  const path = of(run, `picture/${key}`);
  if (!pictures.has(path)) {
    if (pictures.size > 256) pictures.clear();
    pictures.set(path, ask(path).then(async ({ uri }) => {
      const image = element("img", { src: uri });
      await image.decode();
      return image;
    }));
  }
  return pictures.get(path);
}

/** A picture with its cells: `grid`, `codes` and which cell is meant, `here`; strengths are relative to `most`. */
export function cells(run, { picture, grid, codes, here, origin }, most, choose = null) {
  const [rows, columns] = grid;
  const node = element("canvas", { className: "cells", tabIndex: 0, role: "img" });
  node.setAttribute("aria-label", `${origin}: cell in row ${1 + Math.floor(here / columns)}, column ${1 + (here % columns)}${told(codes?.[here])}; arrow keys go over its cells`);
  let [image, at] = [null, -1];
  const place = (n) => [(n % columns) * (node.width / columns), Math.floor(n / columns) * (node.height / rows), node.width / columns, node.height / rows];

  function draw() {
    if (!image) return;
    const pen = node.getContext("2d");
    pen.imageSmoothingEnabled = image.naturalWidth >= node.width;
    pen.drawImage(image, 0, 0, node.width, node.height);
    if (codes && !node.dataset.bare) {
      pen.globalCompositeOperation = "saturation"; // colours are those of the codes alone
      pen.fillStyle = "#000";
      pen.fillRect(0, 0, node.width, node.height);
      pen.globalCompositeOperation = "source-over";
      pen.fillStyle = "rgba(0, 0, 0, .25)";
      pen.fillRect(0, 0, node.width, node.height);
      codes.forEach((code, n) => {
        const part = strength(code, most);
        pen.fillStyle = code < 0 ? `rgba(60, 140, 255, ${0.7 * part})` : `rgba(255, ${Math.round(215 - 165 * part)}, 0, ${0.7 * part})`;
        pen.fillRect(...place(n));
      });
    }
    for (const [n, colour] of [[here, "#fff"], [at, "#6ea8e8"]]) {
      if (n < 0) continue;
      const [x, y, wide, high] = place(n);
      for (const [line, ink] of [[6, "#000"], [3, colour]]) {
        pen.lineWidth = line;
        pen.strokeStyle = ink;
        pen.strokeRect(x + 3, y + 3, wide - 6, high - 6);
      }
    }
  }

  pictured(run, picture).then((found) => {
    image = found;
    const zoom = Math.max(1, LEAST / Math.max(image.naturalWidth, image.naturalHeight));
    node.width = Math.round(zoom * image.naturalWidth);
    node.height = Math.round(zoom * image.naturalHeight);
    draw();
  }).catch((error) => node.replaceWith(element("p", { className: "soft" }, error.message)));
  walked(node, {
    count: rows * columns, start: here, choose,
    under(event) {
      const area = node.getBoundingClientRect();
      const [row, column] = [Math.floor((rows * (event.clientY - area.top)) / area.height), Math.floor((columns * (event.clientX - area.left)) / area.width)];
      return row < 0 || row >= rows || column < 0 || column >= columns ? -1 : row * columns + column;
    },
    step: (key) => ({ ArrowLeft: -1, ArrowRight: 1, ArrowUp: -columns, ArrowDown: columns })[key] ?? 0,
    said: (n) => `row ${1 + Math.floor(n / columns)}, column ${1 + (n % columns)}${told(codes?.[n])}`,
    box: () => node.getBoundingClientRect(),
    mark(n) {
      at = n;
      draw();
    },
  });
  return { node, draw };
}

/** Examples of one feature, each in what it is a part of. `bare()`: whether pictures are shown without codes. */
export function shown(run, examples, most, bare = () => false) {
  const largest = Math.max(Math.abs(most), ...examples.map(({ code }) => Math.abs(code)));
  const pictures = examples.some(({ context }) => context?.grid);
  return element("ul", { className: pictures ? "shots heats" : "passages" }, examples.map(({ id, code, label, context }) => {
    const words = [label, say(code)].filter((word) => word !== null).join(" · ");
    if (!context) return element("li", { className: "soft" }, `sample ${id} · ${words}`);
    if (!context.grid) {
      return element("li", {}, element("span", { className: "num code" }, words), text(context, largest), element("span", { className: "soft origin", dir: "auto" }, context.origin));
    }
    const one = cells(run, context, largest);
    if (bare()) one.node.dataset.bare = "1";
    return element("li", {}, one.node, element("span", { className: "num" }, words), element("span", { className: "soft origin", dir: "auto" }, context.origin));
  }));
}

// The features of a sample: what each adds, and a slider that sets how much.

import { of } from "./ask.js";
import { element, say } from "./dom.js";
import { filterCanvas, paintFilter, painted } from "./paint.js";
import { levels } from "./values.js";

/**
 * The dials of a run's features.
 *
 * @param {string} run
 * @param {object} start what the playground began with
 * @param {object} on `edits`, a Map of the codes that are set; `edit(feature, value or null)`; `light(row or null)`, told
 *   of the feature that is pointed at
 */
export function dials(run, start, on) {
  const list = element("ul", { className: "dials", "aria-label": "active features" });
  const cards = [];
  const reach = new Map();

  /** Sliders end a little beyond the largest code that was seen, and do not jump while one draws. */
  function limit(feature, code, largest) {
    const [, top] = start.bounds;
    if (top !== null) return top;
    const seen = Math.max(reach.get(feature) ?? 0, 1.5 * (largest ?? 0), 1.2 * Math.abs(code));
    reach.set(feature, seen || 1);
    return seen || 1;
  }

  function made() {
    const card = { feature: -1 };
    card.picture = start.outputs.shape ? filterCanvas(new Int8Array(start.outputs.count), start.outputs.shape) : element("span", { className: "heavy" });
    card.link = element("a", {}, card.picture);
    card.name = element("b", {});
    card.code = element("span", { className: "num" });
    card.slider = element("input", { type: "range", step: "any" });
    card.off = element("button", {}, "off");
    card.own = element("button", {}, "↺");
    card.part = element("i", { className: "part" });
    card.slider.addEventListener("input", () => on.edit(card.feature, card.slider.valueAsNumber));
    card.off.addEventListener("click", () => on.edit(card.feature, card.value === 0 ? null : 0));
    card.own.addEventListener("click", () => on.edit(card.feature, null));
    const lit = (row) => () => on.light(row && card.row);
    const pointed = { onpointerenter: lit(true), onpointerleave: lit(null), onfocusin: lit(true), onfocusout: lit(null) };
    card.node = element("li", { className: "dial", ...pointed }, card.link,
      element("span", { className: "named" }, card.name, card.code), card.slider,
      element("span", { className: "acts" }, card.off, card.own), card.part);
    return card;
  }

  function bind(card, feature) {
    Object.assign(card, { feature, looks: null });
    card.link.href = `#/${of(run, `feature/${feature}`)}`;
    card.link.title = `feature ${feature}`;
    card.link.setAttribute("aria-label", `look at feature ${feature}`);
    card.name.textContent = `#${feature}`;
    card.slider.setAttribute("aria-label", `code of feature ${feature}`);
    card.off.setAttribute("aria-label", `ablate feature ${feature}`);
    card.own.setAttribute("aria-label", `give feature ${feature} its own code back`);
    card.node.dataset.feature = feature;
  }

  function fill(card, answer, n, bytes, sizes) {
    const feature = answer.features[n];
    const width = start.outputs.count;
    if (card.feature !== feature) {
      bind(card, feature);
      const row = bytes.subarray(n * width, (n + 1) * width);
      card.row = row;
      if (start.outputs.shape) painted(start.outputs.shape, (pixels) => paintFilter(row, start.outputs.shape, pixels), card.picture);
      else if (answer.labels) card.picture.replaceChildren(element("span", { dir: "auto" }, answer.labels[n] || "no label"));
      else card.picture.replaceChildren(...heaviest(row, answer.rows.peaks[n]));
    }
    const [code, value] = [answer.codes[n], answer.edited_codes[n]];
    const edited = on.edits.has(feature);
    const top = limit(feature, code, answer.largest?.[n]);
    const low = start.bounds[0] ?? -top;
    const looks = [low, top, value, code, edited, sizes[n]].join();
    if (looks === card.looks) return;
    Object.assign(card, { looks, value });
    card.slider.min = low;
    card.slider.max = top;
    if (document.activeElement !== card.slider || !edited) card.slider.value = value;
    card.code.textContent = edited ? `${say(code)} → ${say(value)}` : say(code);
    card.slider.setAttribute("aria-valuetext", `${say(value)}${edited ? `, its own code is ${say(code)}` : ""}`);
    card.off.setAttribute("aria-pressed", String(edited && value === 0));
    card.own.hidden = !edited;
    card.node.classList.toggle("edited", edited);
    card.node.classList.toggle("none", value === 0);
    card.part.style.transform = `scaleX(${sizes[n]})`;
  }

  function heaviest(row, peak) {
    const order = Array.from(row.keys()).sort((a, b) => Math.abs(row[b]) - Math.abs(row[a])).slice(0, 3);
    return order.map((at) => element("span", {}, `${start.outputs.names?.[at] ?? at} ${say((row[at] / 127) * peak)}`));
  }

  /**
   * Show what was answered. While one draws, features keep their places, and new ones take those that are left;
   * `sorted` puts the largest first.
   */
  function show(answer, sorted) {
    const at = new Map(answer.features.map((feature, n) => [feature, n]));
    let order = answer.features;
    if (!sorted) {
      const stay = cards.map((card) => (at.has(card.feature) ? card.feature : null)).slice(0, order.length);
      const known = new Set(stay);
      const fresh = order.filter((feature) => !known.has(feature));
      order = Array.from(order, (_, place) => stay[place] ?? fresh.shift());
    }
    while (cards.length < order.length) {
      cards.push(made());
      list.append(cards[cards.length - 1].node);
    }
    while (cards.length > order.length) cards.pop().node.remove();
    const bytes = levels(answer.rows.data);
    const most = Math.max(1e-12, ...answer.parts);
    const sizes = answer.parts.map((part) => part / most);
    order.forEach((feature, place) => fill(cards[place], answer, at.get(feature), bytes, sizes));
  }
  return { node: list, show };
}

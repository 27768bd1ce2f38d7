// What the model makes of a sample: with and without what was set, and beside what should come out.

import { announce, card, element, say, settled } from "./dom.js";
import { BARS, plate } from "./plates.js";
import { numbers, percent } from "./values.js";

/** The outcome of a playground that began with `start`. */
export function outcome(start) {
  const pictured = start.outputs.shape !== null;
  const after = plate(start.outputs, "what the model makes of it");
  const before = pictured ? plate(start.outputs, "without what you set") : null;
  const off = pictured ? plate(start.outputs, "what is too much and too little") : null;
  const said = element("p", { className: "said num" });
  const tell = settled(900, () => announce(said.textContent));
  const figure = (one, name) => element("figure", {}, one.node, element("figcaption", {}, name));
  const made = element("div", { className: "made" }, after.node,
    pictured && element("div", { className: "rest" }, figure(before, "without what you set"), figure(off, "too much (red), too little (blue)")));
  const legend = start.outputs.count > BARS
    ? "The soft line is what should come out."
    : "Bars go from the mean of the data to the output; the tick is what should come out.";

  function pictures(answer, edited) {
    const output = numbers(answer.edited);
    const target = answer.target === null ? null : numbers(answer.target);
    after.show(output, target);
    if (!pictured) return;
    before.node.parentNode.hidden = !edited;
    before.show(numbers(answer.recon));
    off.node.parentNode.hidden = target === null;
    if (target) off.differ(output, target);
  }

  function words(answer, edited) {
    const parts = [`${say(answer.fires)} of ${say(start.features)} features fire`];
    if (answer.explained !== null) parts.unshift(`${percent(answer.explained)} explained`);
    if (edited && answer.edited_explained !== null) parts.push(`${percent(answer.edited_explained)} with what you set`);
    said.textContent = parts.join(", ");
    tell();
  }

  return {
    node: card("What the model makes of it", made, said, !pictured && element("p", { className: "soft" }, legend)),
    /** Show an answer; `edited`: some of the codes are set. */
    show(answer, edited) {
      pictures(answer, edited);
      words(answer, edited);
    },
    busy: (yes) => made.setAttribute("aria-busy", String(yes)),
    /** Lay a feature's row over the output. */
    light: (row) => after.light?.(row),
  };
}

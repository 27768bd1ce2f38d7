// Samples from codes that are drawn at random.

import { act, of } from "./ask.js";
import { announce, card, choice, element, labelled, say } from "./dom.js";
import { numbers, paintValues } from "./values.js";

const N = 12;

/**
 * @param {string} run
 * @param {object} start what the playground began with
 * @param {object} on `seed` and `label` of an address, or null; `drawn(seed, label)`; `take(values)`, or null where
 *   outputs are no samples; `wrong(error)`
 */
export function chance(run, start, on) {
  const place = element("ul", { className: "drawn" });
  const seed = element("input", { type: "number", min: 0, step: 1, value: on.seed ?? 0, onchange: draw });
  const classes = start.classes?.length ? choice([["", "any"], ...start.classes.map((name) => [name, name])], on.label ?? "", draw) : null;

  function shown(values, fires, n) {
    const picture = start.outputs.shape ? element("canvas", { className: "pixels" }) : element("span", {}, `sample ${n + 1}`);
    if (start.outputs.shape) paintValues(picture, values, start.outputs.shape, start.outputs.low, start.outputs.high);
    const inner = [picture, element("span", { className: "num" }, `${say(fires)} features`)];
    return element("li", {}, on.take
      ? element("button", { title: "play with it", "aria-label": `play with sample ${n + 1}`, onclick: () => on.take(values) }, inner)
      : inner);
  }

  async function draw() {
    const [number, label] = [Math.max(0, Math.trunc(seed.valueAsNumber) || 0), classes?.value ?? ""];
    try {
      const answer = await act("POST", of(run, "play/generate"), { seed: number, n: N, label: label || null });
      const outputs = numbers(answer.outputs);
      const width = start.outputs.count;
      place.replaceChildren(...answer.fires.map((fires, n) => shown(outputs.slice(n * width, (n + 1) * width), fires, n)));
      on.drawn(number, label);
      announce(`${N} samples are drawn with seed ${number}`);
    } catch (error) {
      on.wrong(error);
    }
  }

  if (on.seed !== null && start.generates === null) draw();
  const again = element("button", { className: "main", onclick: () => { if (place.children.length) seed.value = (seed.valueAsNumber || 0) + 1; draw(); } }, "Generate");
  return card("From codes drawn at random",
    element("p", { className: "soft" }, start.generates === null
      ? "Every feature fires on its own, as often and as much as in the data. What is missing in these is what features know of each other."
      : `Nothing can be generated here: ${start.generates}.`),
    start.generates === null && element("div", { className: "controls" }, again, labelled("seed", seed), classes && labelled("class", classes)),
    place);
}

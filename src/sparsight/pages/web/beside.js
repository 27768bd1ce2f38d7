// The same sample in another run.

import { act, ask, of } from "./ask.js";
import { encoded } from "./base64.js";
import { card, element, say } from "./dom.js";
import { filterCanvas } from "./paint.js";
import { plate, ranged } from "./plates.js";
import { latest, levels, numbers, percent } from "./values.js";

const MOST = 16;

/**
 * What another run makes of a sample.
 *
 * @param {string} run
 * @param {() => Float32Array} values the sample
 * @param {(error: Error) => void} wrong
 */
export async function beside(run, values, wrong) {
  const start = await ask(of(run, "play"));
  const outputs = ranged(start.outputs);
  const made = plate(outputs, `what ${run} makes of it`);
  const off = plate(outputs, `what ${run} gets wrong`);
  const said = element("p", { className: "num" });
  const list = element("ul", { className: "shots", "aria-label": `active features of ${run}` });

  function feature(id, n, answer, bytes) {
    const row = bytes.subarray(n * outputs.count, (n + 1) * outputs.count);
    return element("li", {}, element("a", { href: `#/${of(run, `feature/${id}`)}`, "aria-label": `feature ${id} of ${run}` },
      outputs.shape ? filterCanvas(row, outputs.shape) : `#${id}`), say(answer.codes[n]));
  }

  const renew = latest(async () => {
    try {
      const answer = await act("POST", of(run, "play"), { sample: encoded(values()), most: MOST });
      const recon = numbers(answer.recon);
      made.show(recon);
      off.node.hidden = answer.target === null;
      if (answer.target) off.differ(recon, numbers(answer.target));
      said.textContent = `${percent(answer.explained)} explained, ${say(answer.fires)} of ${say(start.features)} features fire`;
      const bytes = levels(answer.rows.data);
      list.replaceChildren(...answer.features.map((id, n) => feature(id, n, answer, bytes)));
    } catch (error) {
      wrong(error);
    }
  });
  const node = card(`The same in ${run}`,
    element("div", { className: "besides" },
      element("figure", {}, made.node, element("figcaption", {}, "what it makes of it")),
      outputs.shape && element("figure", {}, off.node, element("figcaption", {}, "what is too much (red), too little (blue)")),
      element("div", {}, said, list)));
  return { node, renew };
}

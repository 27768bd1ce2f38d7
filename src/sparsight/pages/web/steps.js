// A sample, built feature by feature.

import { act, of } from "./ask.js";
import { card, element, labelled, say } from "./dom.js";
import { filterCanvas } from "./paint.js";
import { plate } from "./plates.js";
import { latest, levels, numbers, paintValues, percent } from "./values.js";

const BEAT = 420; // ms between two steps
const MOST = 24;

/**
 * The build-up of what is played with.
 *
 * @param {string} run
 * @param {object} start what the playground began with
 * @param {() => object} sample what is sent
 * @param {(error: Error) => void} wrong
 */
export function steps(run, start, sample, wrong) {
  const shown = plate(start.outputs, "the sum so far");
  const said = element("p", { className: "soft num" });
  const slider = element("input", { type: "range", min: 0, max: 0, step: 1, value: 0 });
  const strip = element("ol", { className: "stairs", "aria-label": "steps" });
  const button = element("button", { className: "main" }, "▶ Build it up");
  let found = null;
  let timer = 0;
  let seen = false;
  let stale = true;

  const sum = (step) => found.sums.subarray(step * start.outputs.count, (step + 1) * start.outputs.count);

  function at(step) {
    slider.value = step;
    const feature = step ? `feature ${found.features[step - 1]} added` : "no feature";
    said.textContent = `step ${step} of ${found.features.length}: ${feature}${found.explained[step] === null ? "" : `, ${percent(found.explained[step])} explained`}`;
    slider.setAttribute("aria-valuetext", said.textContent);
    shown.show(sum(step));
    [...strip.children].forEach((node, n) => node.firstChild.setAttribute("aria-current", n === step ? "step" : "false"));
    strip.scrollLeft = strip.children[step].offsetLeft - strip.offsetLeft - strip.clientWidth / 2;
  }

  function stop() {
    clearInterval(timer);
    timer = 0;
    button.textContent = "▶ Build it up";
  }

  function play() {
    if (timer) return stop();
    if (!found) return undefined;
    if (slider.valueAsNumber >= found.features.length) at(0);
    button.textContent = "❚❚ Pause";
    timer = setInterval(() => {
      at(slider.valueAsNumber + 1);
      if (slider.valueAsNumber >= found.features.length) stop();
    }, BEAT);
    return undefined;
  }
  button.addEventListener("click", play);
  slider.addEventListener("input", () => {
    stop();
    if (found) at(slider.valueAsNumber);
  });

  function tile(step) {
    const small = [];
    if (start.outputs.shape) {
      const canvas = element("canvas", { className: "pixels" });
      paintValues(canvas, sum(step), start.outputs.shape, start.outputs.low, start.outputs.high);
      small.push(canvas);
      if (step) small.push(filterCanvas(found.rows.subarray((step - 1) * start.outputs.count, step * start.outputs.count), start.outputs.shape));
    }
    const name = step ? `#${found.features[step - 1]}` : "none";
    const code = step ? say(found.codes[step - 1]) : "";
    return element("li", {}, element("button", { "aria-label": `step ${step}`, onclick: () => { stop(); at(step); } },
      small, element("b", {}, name), element("span", { className: "num" }, code), element("span", { className: "num soft" }, percent(found.explained[step]))));
  }

  const fetch = latest(async () => {
    stale = false;
    try {
      const answer = await act("POST", of(run, "play/build"), { ...sample(), most: MOST });
      found = { ...answer, sums: numbers(answer.sums), rows: levels(answer.added.data) };
    } catch (error) {
      wrong(error);
      return;
    }
    stop();
    slider.max = found.features.length;
    strip.replaceChildren(...Array.from({ length: found.features.length + 1 }, (_, step) => tile(step)));
    at(found.features.length);
  });

  const node = card("Built feature by feature",
    element("p", { className: "soft" }, "First what is there without any feature, then one after the other, the largest part first. Below each sum is what its feature adds."),
    element("div", { className: "building" },
      element("div", { className: "stand" }, shown.node, said, element("div", { className: "controls" }, button, labelled("step", slider, "grow"))), strip));
  const watch = new IntersectionObserver(([entry]) => {
    seen = entry.isIntersecting;
    if (seen && stale) fetch();
  });
  watch.observe(node);
  return {
    node,
    /** The sample has changed: what is in sight is built anew. */
    renew() {
      stale = true;
      if (seen) fetch();
    },
    close() {
      stop();
      watch.disconnect();
    },
  };
}

// The codes that are set, and the features that they are of.

import { dials } from "./dials.js";
import { card, choice, element, labelled, settled } from "./dom.js";
import { afterwards } from "./values.js";

const COUNTS = [12, 24, 48, 96];
const NARROW = 700; // px

/** `12:0.5,30:0` in an address. */
function parsed(text) {
  const pairs = (text ?? "").split(",").map((pair) => pair.split(":").map(Number));
  return new Map(pairs.filter(([feature, value]) => Number.isInteger(feature) && Number.isFinite(value)));
}

const written = (edits) => [...edits].map(([feature, value]) => `${feature}:${+value.toPrecision(4)}`).join(",");

/**
 * Sliders for active features, and what ablates and inserts them.
 *
 * @param {string} run
 * @param {object} start what the playground began with
 * @param {URLSearchParams} query
 * @param {object} on `changed()`, which answers once the change is shown; `light(row)`; `remember(changes)`
 */
export function editing(run, start, query, on) {
  const edits = parsed(query.get("edits"));
  const usual = innerWidth < NARROW ? 12 : 24;
  let most = COUNTS.includes(Number(query.get("most"))) ? Number(query.get("most")) : usual;
  let last = { features: [] };
  const keep = settled(250, () => on.remember({ edits: written(edits) }));

  function changed() {
    keep();
    return on.changed();
  }

  function edit(feature, value) {
    if (value === null) edits.delete(feature);
    else edits.set(feature, value);
    return changed();
  }

  /** Set a feature to the largest code that it has on the data. */
  async function insert(feature) {
    if (!Number.isInteger(feature)) return which.focus();
    which.value = feature;
    const first = start.bounds[1] ?? 1;
    await edit(feature, first);
    const largest = last.largest?.[last.features.indexOf(feature)];
    return start.bounds[1] === null && largest ? edit(feature, largest) : undefined;
  }

  function clear() {
    edits.clear();
    changed();
  }

  function ablate() {
    for (const feature of last.features) edits.set(feature, 0);
    changed();
  }

  function list(count) {
    most = Number(count);
    on.remember({ most: most === usual ? null : most });
    on.changed();
  }

  const features = dials(run, start, { edits, edit, light: on.light });
  const reset = element("button", { onclick: clear }, "No edits");
  const which = element("input", {
    type: "number", min: 0, max: start.features - 1, step: 1, placeholder: `0 to ${start.features - 1}`,
    onkeydown: (event) => { if (event.key === "Enter") insert(which.valueAsNumber); },
  });
  const show = afterwards((answer, sorted) => {
    features.show(answer, sorted);
    reset.disabled = edits.size === 0;
    reset.textContent = edits.size ? `Undo ${edits.size} edit${edits.size > 1 ? "s" : ""}` : "No edits";
  });
  const node = card("Active features",
    element("div", { className: "controls" }, reset,
      element("button", { title: "set every feature that is listed to 0", onclick: ablate }, "All off"),
      element("span", { className: "insert" }, labelled("insert feature", which),
        element("button", { onclick: () => insert(which.valueAsNumber) }, "Insert"),
        element("button", { title: "insert one at random", onclick: () => insert(Math.floor(Math.random() * start.features)) }, "Any")),
      labelled("listed", choice(COUNTS.map((n) => [n, n]), most, list))),
    features.node);

  return {
    node,
    /** What is asked for. */
    asked: () => ({ edits: Object.fromEntries(edits), most }),
    get any() {
      return edits.size > 0;
    },
    /** Show an answer, once the output is painted; `sorted`: the largest first. */
    show(answer, sorted) {
      last = answer;
      show(answer, sorted);
    },
  };
}

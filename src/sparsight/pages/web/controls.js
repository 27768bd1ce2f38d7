// What stands above the features: which, how, in which order, and where.

import { choice, element, labelled, settled, switches } from "./dom.js";
import { palette } from "./paint.js";

/** The sides of filters that can be chosen. */
function choices(about) {
  if (!about.sides.length) return [];
  const real = about.sides.filter((side) => side !== "null");
  return [...real, ...(real.length > 1 ? ["both"] : []), "null"];
}

/**
 * The controls of a state. Each changes it and calls one of
 * @param {object} on `view()`, `sides()`, `painted()`, `sized(px)`, `asked()`: another view, other sides, other colours,
 *   another size, another order or choice; `csv()` and `png()` save
 */
export function controls(about, state, views, on) {
  const sides = choices(about);
  const sizes = element("input", { type: "range", min: 16, max: 160, step: 2, "aria-label": "size of a filter in pixels", oninput: () => on.sized(Number(sizes.value)) });
  const input = element("input", {
    type: "search", value: state.where, placeholder: about.words ? "label_score > .7 and rate < .05" : "moran > .7 and rate < .05", spellcheck: false, autocomplete: "off",
    oninput: settled(180, () => { state.where = input.value; on.asked(); }),
  });
  const sorting = choice(["feature", ...Object.keys(about.columns)], state.sort, (name) => {
    state.sort = name;
    state.down = name !== "feature";
    on.asked();
  });
  const turn = element("button", { "aria-label": "turn the order round", title: "turn round", onclick: () => { state.down = !state.down; on.asked(); } }, "⇅");
  const wrong = element("p", { className: "wrong", role: "alert", hidden: true });
  const count = element("span", { className: "count", role: "status" });
  const painting = (key, options) => labelled(key, choice(options, palette[key], (name) => { palette[key] = name; on.painted(); }));
  const node = element("div", { className: "controls" },
    element("h1", { className: "unseen" }, `Features of ${about.name}`),
    switches("view", views, state.view, (name) => { state.view = name; on.view(); }),
    sides.length > 0 && switches("which filters", sides, state.of, (side) => { state.of = side; on.sides(); }),
    sides.length > 0 && element("details", { className: "display", open: innerWidth > 900 },
      element("summary", {}, "display"),
      element("div", { className: "controls" }, labelled("size", sizes), painting("colours", ["grey", "diverging"]),
        painting("scale", [["own", "each its own"], ["shared", "shared"]]))),
    element("span", { className: "beside" }, labelled("sorted by", sorting), turn),
    labelled("where", input, "where"),
    count,
    element("span", { className: "save" },
      element("button", { "aria-label": "save all measures as CSV", onclick: on.csv }, "CSV"),
      element("button", { "aria-label": "save what is in sight as PNG", onclick: on.png, hidden: !sides.length }, "PNG")),
    wrong);
  return {
    node,
    sizes,
    focus: () => input.focus(),
    /** What came of it: how many of how many, or what is wrong. */
    said(words, mistake = null) {
      count.textContent = words ?? count.textContent;
      wrong.textContent = mistake ?? "";
      wrong.hidden = mistake === null;
      sorting.value = state.sort;
      turn.setAttribute("aria-pressed", String(!state.down));
    },
  };
}

// The feature that is chosen, beside all the others.

import { ask, of, tiles } from "./ask.js";
import { shown } from "./contexts.js";
import { element, say } from "./dom.js";
import { filterCanvas } from "./paint.js";
import { judged, shares } from "./words.js";

const HINT = "Choose a feature by mouse, finger or arrow keys; Enter or a double click opens it. Press / to write what to look for.";
const FEW = 4; // examples
const PATIENCE = 120; // ms that a feature is looked at before its examples are asked for

export function peek(run, about, said = null) {
  const node = element("aside", { className: "peek", "aria-label": "the chosen feature", tabIndex: 0 });
  let turn = 0;

  /** Its largest codes in what they are parts of, once somebody stays with it. */
  async function examples(id, mine, place) {
    await new Promise((done) => setTimeout(done, PATIENCE));
    if (mine !== turn) return;
    const one = await ask(of(run, `feature/${id}`));
    const top = one.examples.top.slice(0, FEW);
    if (mine === turn && top.some(({ context }) => context)) place.append(shown(run, top, one.measures.max ?? 0));
  }

  async function inWords(id) {
    if (!said) return [];
    await said.want([id]);
    const found = said.of(id);
    const column = about.columns[about.labels === "words" ? "label_score" : "class_score"];
    return found ? [judged(found, column, about.labels === "words" ? "word" : "class"), shares(found.words)] : [];
  }

  return {
    node,
    /** Show a feature with measures by name, as `telling` gives them; −1: none. */
    async show(id, names, values) {
      const mine = ++turn;
      if (id < 0) return node.replaceChildren(element("p", { className: "soft" }, HINT));
      const drawn = await Promise.all(about.sides.filter((side) => side !== "null").map(async (side) => {
        const { levels } = await tiles(run, side, [id]);
        return element("figure", {}, filterCanvas(levels, about.shape), element("figcaption", {}, side));
      }));
      const words = await inWords(id);
      if (mine !== turn) return undefined;
      const parts = element("div");
      if (!about.sides.length) examples(id, mine, parts).catch(() => null);
      const href = `#/${of(run, `feature/${id}`)}`;
      return node.replaceChildren(
        element("h2", {}, element("a", { href }, `Feature ${id}`)),
        element("div", { className: "pair" }, drawn),
        element("div", {}, words),
        parts,
        element("table", {},
          element("thead", {}, element("tr", {}, ["", "here", "null"].map((head) => element("th", {}, head)))),
          element("tbody", {}, names.map((name) => element("tr", {},
            element("td", { title: about.columns[name].about }, name), element("td", {}, say(values?.of(name, id))),
            element("td", { className: "null" }, about.columns[name].null === null ? "" : say(about.columns[name].null)))))),
        element("p", {}, element("a", { href }, "examples, neighbours, notes →")));
    },
  };
}

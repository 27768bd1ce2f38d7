// The feature that is chosen, beside all the others.

import { of, tiles } from "./ask.js";
import { element, say } from "./dom.js";
import { filterCanvas } from "./paint.js";

const HINT = "Choose a feature by mouse, finger or arrow keys; Enter or a double click opens it. Press / to write what to look for.";

export function peek(run, about) {
  const node = element("aside", { className: "peek", "aria-label": "the chosen feature", tabIndex: 0 });
  let turn = 0;
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
      if (mine !== turn) return undefined;
      const href = `#/${of(run, `feature/${id}`)}`;
      return node.replaceChildren(
        element("h2", {}, element("a", { href }, `Feature ${id}`)),
        element("div", { className: "pair" }, drawn),
        element("table", {},
          element("thead", {}, element("tr", {}, ["", "here", "null"].map((head) => element("th", {}, head)))),
          element("tbody", {}, names.map((name) => element("tr", {},
            element("td", { title: about.columns[name].about }, name), element("td", {}, say(values?.of(name, id))),
            element("td", { className: "null" }, about.columns[name].null === null ? "" : say(about.columns[name].null)))))),
        element("p", {}, element("a", { href }, "examples, neighbours, notes →")));
    },
  };
}

// Features in words: their labels, and the words that their activity goes to.

import { words } from "./ask.js";
import { element, say } from "./dom.js";

const KEPT = 20000;

/** What is known of features in words, as it arrives. `heard` is called when more is known. */
export class Words {
  constructor(run) {
    this.run = run;
    this.known = new Map();
    this.asked = new Map();
    this.heard = () => {};
  }

  /** Of one feature; undefined: it is not known yet. */
  of = (id) => this.known.get(id);

  /** Its label as a line; empty where there is none, or it is not known yet. */
  line = (id) => label(this.known.get(id));

  /** Ask for what is not known of these; done once all of it is. */
  async want(ids) {
    const missing = ids.filter((id) => !this.known.has(id) && !this.asked.has(id));
    if (missing.length) {
      const asked = this.fetch(missing);
      missing.forEach((id) => this.asked.set(id, asked));
    }
    await Promise.all(ids.map((id) => this.asked.get(id)));
  }

  async fetch(ids) {
    try {
      const found = await words(this.run, ids);
      if (this.known.size > KEPT) this.known.clear();
      ids.forEach((id, n) => this.known.set(id, found[n]));
    } finally {
      ids.forEach((id) => this.asked.delete(id));
    }
    this.heard();
  }
}

/** A label as a line. */
export const label = (said) => said?.label.join(", ") ?? "";

/** Words with a bar for each share. */
export const shares = (pairs) => element("dl", { className: "bars shares" }, pairs.map(([word, share]) => {
  const line = element("i");
  line.style.width = `${100 * share}%`;
  return [element("dt", { dir: "auto" }, word), element("dd", {}, line), element("dd", { className: "num" }, `${Math.round(100 * share)} %`)];
}));

/** A label with how well it says where the feature fires; `column` is that of its score. */
export function judged(said, column, what) {
  if (!said.label.length) return [element("p", { className: "soft" }, `No ${what} tells where it fires.`)];
  const percent = (share) => `${Math.round(100 * share)} %`;
  const figures = said.score === null ? "Nothing is left to score it on." :
    `φ ${say(said.score)} with where it fires, on samples that did not choose it (chance ${say(column?.null)}). It fires at ${percent(said.precision)} of these, and ${percent(said.recall)} of its firing is at these.`;
  return [
    element("ul", { className: "words" }, said.label.map((word) => element("li", { dir: "auto" }, word))),
    element("p", { className: "soft", title: column?.about ?? "" }, figures),
  ];
}

// A run at a glance: figures beside their nulls, samples and what is made of them, curves.

import { ask, of } from "./ask.js";
import { card, element, sorry, svg } from "./dom.js";
import { effectsCard } from "./raised.js";
import { figure, saveCsv } from "./save.js";

export async function open(place, { run }) {
  const about = await ask(of(run, "about"));
  const { summary } = about;
  const light = summary.findings === null ? null : summary.findings.some((f) => f.severity === "red") ? "red" : summary.findings.length ? "amber" : "green";
  place.append(
    element("h1", {}, about.name, " ", light && element("a", { href: `#/${of(run, "findings")}`, className: `light ${light}` }, light === "green" ? "green: no rule found anything" : `${light}: ${summary.findings.length} found`)),
    element("p", { className: "lead" }, about.lead),
    element("ul", { className: "tiles" }, about.tiles.map(({ name, value, null: none }) => element("li", {}, name, element("b", {}, value), element("span", { className: "null" }, none)))),
    summary.notes.length ? element("ul", { className: "notes" }, summary.notes.map((note) => element("li", {}, note))) : "");
  if (summary.ended === null) {
    place.append(element("p", { className: "card" }, "It has not ended. ", element("a", { href: `#/${of(run, "live")}` }, "Look at its training")));
  }
  const parts = [];
  if (summary.ended !== null) {
    parts.push(lazily("Samples and what is made of them", () => made(run)), lazily("The features as a population", () => charts(run, "population")));
    if (about.shape) parts.push(lazily("Orientation and frequency", () => charts(run, "gabors")));
  }
  parts.push(lazily("Training", () => charts(run, "training")));
  if (summary.ended !== null) parts.push(lazily("Codes in two dimensions", () => charts(run, "codes")));
  if (about.compared) parts.push(compared(about));
  if (about.effects) parts.unshift(effectsCard(about.effects));
  parts.push(card("Recipe", summary.changes === null ? "" : changes(summary.changes), element("details", {}, element("summary", {}, "all that is known of it"), element("pre", { tabIndex: 0 }, JSON.stringify(summary, null, 1)))));
  place.append(...parts);
}

/** A part that is filled when it comes into sight. */
function lazily(title, fill) {
  const made = card(title);
  const inner = element("div", { style: { minHeight: "120px" } });
  made.append(inner);
  const watch = new IntersectionObserver(async ([entry]) => {
    if (!entry.isIntersecting) return;
    watch.disconnect();
    try {
      inner.replaceChildren(...[await fill()].flat());
    } catch (error) {
      inner.replaceChildren(sorry(error));
    }
    inner.style.minHeight = "";
  }, { rootMargin: "300px" });
  watch.observe(made);
  return made;
}

async function charts(run, group) {
  const found = Object.entries(await ask(of(run, `charts/${group}`)));
  if (!found.length) return element("p", { className: "soft" }, "There is nothing to show.");
  return element("div", { className: "charts" }, found.map(([title, chart]) =>
    element("div", {}, element("h3", {}, title), figure(title.toLowerCase().replace(/[^a-z0-9]+/g, "-"), svg(chart, title)))));
}

async function made(run) {
  const { reconstructions, built } = await ask(of(run, "made"));
  if (!reconstructions) return element("p", { className: "soft" }, "These samples are no pictures.");
  const picture = (name, source, said) => element("div", { className: "scroll", tabIndex: 0, role: "region", "aria-label": said },
    figure(name, element("img", { src: source, alt: said, className: "pixels", style: { minWidth: "640px" } }), said));
  return [
    picture("reconstructions", reconstructions, "Above samples, in the middle their reconstructions, below the difference (grey: none)."),
    ...built.map((one, n) => picture(`build-up-${n + 1}`, one.picture, `Built feature by feature: above the sum so far, below what each adds (${one.features.join(", ")}).`)),
  ];
}

function compared(about) {
  const { said, heads, rows } = about.compared;
  const table = element("table", {},
    element("thead", {}, element("tr", {}, ["", ...heads].map((head) => element("th", { scope: "col" }, head)))),
    element("tbody", {}, rows.map((row) => element("tr", {}, row.map((cell) => element("td", {}, cell))))));
  return card("Beside its nulls", element("p", { className: "soft" }, said), element("div", { className: "scroll", tabIndex: 0, role: "region", "aria-label": "comparison" }, table),
    element("p", { className: "save" }, element("button", { "aria-label": "save the comparison as CSV", onclick: () => saveCsv(`${about.name}-comparison`, ["", ...heads], rows) }, "CSV")));
}

function changes(all) {
  const names = Object.entries(all);
  if (!names.length) return element("p", { className: "soft" }, "It is the recipe as it ships.");
  return element("dl", { className: "bars" }, names.map(([key, { recipe, here }]) => [element("dt", {}, element("code", {}, key)), element("dd", {}, JSON.stringify(here)), element("dd", { className: "soft" }, `was ${JSON.stringify(recipe)}`)]));
}

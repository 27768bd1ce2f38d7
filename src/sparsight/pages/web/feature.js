// One feature: what it looks for, what it adds, when it fires, what is like it, whether it is real, and what you think.

import { act, ask, frozen, of, samples, tiles, words } from "./ask.js";
import { hint, shown } from "./contexts.js";
import { NS, card, drawn, element, labelled, say, settled } from "./dom.js";
import { filterCanvas, gaborCanvas, sampleCanvas } from "./paint.js";
import { raisedCard, steerLink } from "./raised.js";
import { figure, saver } from "./save.js";
import { judged, label, shares } from "./words.js";

const KINDS = { top: "Largest codes", quantiles: "From the smallest codes to the largest, by fifths", random: "Drawn at random from those in which it fires" };

export async function open(place, { run, id }) {
  const [about, one] = await Promise.all([ask(of(run, "about")), ask(of(run, `feature/${id}`))]);
  const sides = about.sides.filter((side) => side !== "null");
  const filters = Object.fromEntries(await Promise.all(sides.map(async (side) => [side, (await tiles(run, side, [id])).levels])));
  const cards = element("div", { className: "cards" });
  const beside = (step) => (about.shown ? about.shown[about.shown.indexOf(id) + step] : id + step);
  const [before, after] = [beside(-1), beside(1)].map((to) => (to >= 0 && to < about.features ? to : null));
  const go = (to) => element("a", { href: `#/${of(run, `feature/${to}`)}` }, `Feature ${to}`);
  place.append(
    element("div", { className: "head" },
      element("h1", {}, `Feature ${id}`),
      before !== null && element("span", {}, "← ", go(before)), after !== null && element("span", {}, go(after), " →"),
      element("a", { href: `#/${of(run, `features?at=${id}`)}` }, "in the grid"),
      !frozen && element("a", { href: `#/${of(run, `play?insert=${id}`)}` }, "in the playground"),
      !frozen && about.steers && steerLink(run, id)),
    cards);
  if (sides.length) cards.append(filterCard(about, one, filters));
  if (one.inputs) cards.append(card(about.shape ? "Largest outputs of the decoder" : "Largest weights of the decoder", bars(one.inputs)));
  if (about.labels) cards.append(wordsCard(about, one));
  cards.append(histogramCard(one, id));
  if (Object.keys(one.classes).length) cards.append(card("Mean code in each class", bars(Object.entries(one.classes))));
  cards.append(raisedCard(run, id, one.tokens, about.steers && !frozen));
  cards.append(noteCard(run, id, one), await examplesCard(run, about, one, filters), await neighboursCard(run, about, one));
  if (Object.keys(one.evidence).length) cards.append(evidenceCard(one));
  cards.append(measuresCard(about, one));

  function keys(event) {
    if (/INPUT|TEXTAREA|SELECT/.test(document.activeElement.tagName)) return;
    const to = { ArrowLeft: before, ArrowRight: after }[event.key] ?? null;
    if (to !== null) location.hash = `#/${of(run, `feature/${to}`)}`;
  }
  addEventListener("keydown", keys);
  return () => {
    removeEventListener("keydown", keys);
    hint(null);
  };
}

function filterCard(about, one, filters) {
  const drawn = Object.entries(filters).map(([side, levels]) =>
    figure(`feature-${one.feature}-${side}`, filterCanvas(levels, about.shape), side));
  const fits = Object.entries(one.gabor).map(([side, fit]) =>
    figure(`feature-${one.feature}-${side}-gabor`, gaborCanvas(fit, about.shape), `Gabor fit, ${side}, R² ${say(fit.r2)}`));
  return card("Filter and decoder row", element("div", { className: "pair" }, drawn, fits), element("p", { className: "soft" }, "Grey is 0; each is scaled by its own largest weight, in the units of the data."));
}

function wordsCard(about, { said }) {
  const [score, what] = about.labels === "words" ? ["label_score", "word"] : ["class_score", "class"];
  return card("Label", judged(said, about.columns[score], what),
    said.words.length > 0 && [element("h3", {}, "Words that its activity goes to"), shares(said.words)]);
}

function bars(pairs) {
  const most = Math.max(...pairs.map(([, value]) => Math.abs(value ?? 0)), 1e-30);
  return element("dl", { className: "bars" }, pairs.map(([name, value]) => {
    const line = element("i", { className: value < 0 ? "less" : "" });
    line.style.width = `${(100 * Math.abs(value ?? 0)) / most}%`;
    return [element("dt", {}, name), element("dd", {}, line), element("dd", { className: "num" }, say(value))];
  }));
}

function histogramCard(one, id) {
  const { counts, edges, marks } = one.histogram;
  if (!counts.length) return card("Codes", element("p", {}, "It fired in none of the samples that were measured."));
  const [wide, high, foot] = [420, 190, 26];
  const top = Math.log1p(Math.max(...counts));
  const [low, far] = [Math.log(edges[0]), Math.log(edges.at(-1))];
  const x = (value) => (wide * (Math.log(value) - low)) / (far - low || 1);
  const chart = drawn("svg", { xmlns: NS, viewBox: `0 0 ${wide} ${high}`, role: "img", "font-size": 12, "font-family": "system-ui, sans-serif",
    "aria-label": `histogram of codes, from ${say(edges[0])} to ${say(edges.at(-1))}` });
  counts.forEach((n, i) => {
    const tall = ((high - foot - 30) * Math.log1p(n)) / top;
    chart.append(drawn("rect", { x: x(edges[i]) + 0.5, width: Math.max(1, x(edges[i + 1]) - x(edges[i]) - 1), y: high - foot - tall, height: tall, fill: "#3b7dd8" },
      drawn("title", {}, `${say(edges[i])} to ${say(edges[i + 1])}: ${n} samples`)));
  });
  Object.entries(marks).filter(([, at]) => at >= edges[0] && at <= edges.at(-1)).forEach(([name, at], n) => {
    chart.append(drawn("path", { d: `M${x(at)} ${14 + 15 * n}V${high - foot}`, stroke: "#e07b39", "stroke-width": 2, "stroke-dasharray": "5 3" }));
    chart.append(drawn("text", { x: x(at) + (x(at) > wide / 2 ? -5 : 5), y: 14 + 15 * n, "text-anchor": x(at) > wide / 2 ? "end" : "start", fill: "currentColor" }, `${name} ${say(at)}`));
  });
  chart.append(drawn("text", { x: 0, y: high - 8, fill: "currentColor" }, say(edges[0])), drawn("text", { x: wide, y: high - 8, "text-anchor": "end", fill: "currentColor" }, say(edges.at(-1))));
  chart.append(drawn("text", { x: wide / 2, y: high - 8, "text-anchor": "middle", fill: "currentColor" }, "|code|, logarithmic; height: log samples"));
  return card("Codes", figure(`feature-${id}-codes`, chart, `fires in ${say(100 * one.measures.rate)} % of samples`));
}

function noteCard(run, id, one) {
  if (frozen) return one.note ? card("Note", element("p", { style: { whiteSpace: "pre-wrap" } }, one.note)) : "";
  const state = element("span", { className: "soft", role: "status" });
  let last = one.note;
  const keep = async () => {
    if (area.value === last) return;
    const now = area.value;
    state.textContent = "keeping …";
    try {
      await act("PUT", of(run, `note/${id}`), { text: now });
      last = now;
      state.textContent = "kept in the run's folder";
    } catch (error) {
      state.textContent = error.message;
    }
  };
  const area = element("textarea", { value: one.note, maxLength: 20000, placeholder: "What does it look for?", oninput: settled(400, keep), onblur: keep });
  return card("Your note", labelled("what you think of this feature", area), state);
}

async function examplesCard(run, about, one, filters) {
  const made = card("Samples that show it");
  made.classList.add("wide");
  const kinds = Object.keys(KINDS).filter((kind) => one.examples[kind].length);
  if (!kinds.length) {
    made.append(element("p", {}, "There is none: it never fired."));
    return made;
  }
  if (!one.samples) {
    made.append(element("p", { className: "soft" }, "The data are not here, so samples are shown by number. `sparsight explore --data` says where they are."));
  }
  if (kinds.some((kind) => one.examples[kind].some(({ context }) => context))) {
    made.append(...inContext(run, one, kinds));
    return made;
  }
  const ids = [...new Set(kinds.flatMap((kind) => one.examples[kind].map((example) => example.id)))];
  const found = one.samples ? await samples(run, ids) : null;
  const at = new Map(ids.map((id, n) => [id, n]));
  const width = found ? found.levels.length / ids.length : 0;
  const lay = element("input", { type: "checkbox", onchange: () => fill() });
  const levels = (id) => found.levels.subarray(at.get(id) * width, (at.get(id) + 1) * width);
  const inner = element("div");
  if (found && about.shape) made.append(element("label", { className: "check" }, lay, "lay the filter over them, blue where it is negative, red where it is positive"));
  made.append(inner);

  function shot({ id, code, label }) {
    const called = label === null && about.shape ? `#${id}` : label;
    const words = [called, say(code)].filter((word) => word !== null).join(" · ");
    if (found && about.shape) {
      const over = lay.checked ? (filters.decoder ?? filters.encoder) : null;
      const canvas = sampleCanvas(levels(id), about.shape, over);
      canvas.setAttribute("role", "img");
      canvas.setAttribute("aria-label", `sample ${id}${label === null ? "" : `, ${label}`}, code ${say(code)}`);
      return element("li", { title: `sample ${id}` }, canvas, words);
    }
    if (!found) return element("li", {}, `sample ${id}: ${words}`);
    return element("li", {}, element("b", {}, `sample ${id} · ${words}`), about.names ? named(id) : series(levels(id)));
  }
  function named(id) {
    const [low, high] = found.ends.subarray(2 * at.get(id), 2 * at.get(id) + 2);
    const values = [...levels(id)].map((v) => low + ((high - low) * v) / 255);
    const most = values.map((value, n) => [about.names[n], value]).sort((a, b) => Math.abs(b[1]) - Math.abs(a[1])).slice(0, 8);
    return element("span", {}, ` ${most.map(([name, value]) => `${name} ${say(value)}`).join(", ")}`);
  }
  function series(values) {
    const path = [...values].map((v, n) => `${n ? "L" : "M"}${(300 * n) / Math.max(1, values.length - 1)} ${40 - (38 * v) / 255}`).join("");
    return drawn("svg", { viewBox: "0 0 300 42", width: 300, height: 42, role: "img", "aria-label": "its values in order" }, drawn("path", { d: path, fill: "none", stroke: "#3b7dd8", "stroke-width": 1.3 }));
  }
  function fill() {
    inner.replaceChildren(...kinds.flatMap((kind) => [element("h3", {}, KINDS[kind]), element("ul", { className: about.shape ? "shots" : "shots rows" }, one.examples[kind].map(shot))]));
  }
  fill();
  return made;
}

/** Examples in what they are parts of. */
function inContext(run, one, kinds) {
  const inner = element("div");
  const lay = element("input", { type: "checkbox", checked: true, onchange: () => fill() });
  const fill = () => inner.replaceChildren(...kinds.flatMap((kind) => [element("h3", {}, KINDS[kind]), shown(run, one.examples[kind], one.measures.max ?? 0, () => !lay.checked)]));
  fill();
  const pictures = one.examples[kinds[0]].some(({ context }) => context?.grid);
  const said = pictures ? "From yellow to red, the larger a cell's code; the sample has a frame. Point at a cell for its number." : "The stronger its colour, the larger a token's code; the sample is underlined. Point at a token for its number.";
  return [element("p", { className: "soft" }, said), pictures && element("label", { className: "check" }, lay, "lay the codes over them"), inner].filter(Boolean);
}

async function neighboursCard(run, about, one) {
  const made = card("Neighbours");
  const names = { decoder: "Alike in what they add (cosine of decoder rows)", encoder: "Alike in what they look for (cosine of filters)", "fires with": "Come and go with it (correlation of codes)" };
  for (const [relation, pairs] of Object.entries(one.neighbours)) {
    const known = pairs.filter(([id]) => !about.shown || about.shown.includes(id));
    if (!known.length) continue;
    const side = relation === "encoder" ? "encoder" : about.sides.includes("decoder") ? "decoder" : "encoder";
    const found = about.sides.length ? await tiles(run, side, known.map(([id]) => id)) : null;
    const width = found ? found.levels.length / known.length : 0;
    const said = about.words ? await words(run, known.map(([id]) => id)) : null;
    made.append(element("h3", {}, names[relation]), element("ul", { className: said ? "chips told" : "chips" }, known.map(([id, value], n) =>
      element("li", {}, element("a", { href: `#/${of(run, `feature/${id}`)}`, "aria-label": `feature ${id}, ${say(value)}` },
        found && filterCanvas(found.levels.subarray(n * width, (n + 1) * width), about.shape), said && element("b", { dir: "auto" }, label(said[n]) || "no label"), `${id} · ${say(value)}`)))));
  }
  return made;
}

function evidenceCard(one) {
  const { real, ...rest } = one.evidence;
  return card("Evidence",
    real === undefined ? "" : element("p", {}, element("span", { className: `light ${real ? "green" : "amber"}` }, real ? "real" : "not shown to be real")),
    element("dl", { className: "bars" }, Object.entries(rest).map(([name, value]) => [element("dt", {}, name.replaceAll("_", " ")), element("dd"), element("dd", { className: "num" }, say(value))])));
}

function measuresCard(about, one) {
  const { columns } = about;
  const names = Object.keys(columns);
  const cell = (name) => element("td", { title: columns[name]?.about ?? "" }, name in one.measures ? say(one.measures[name]) : "");
  const none = (name) => element("td", { className: "null" }, columns[name]?.null == null ? "" : say(columns[name].null));
  const head = (...all) => element("tr", {}, all.map((name) => element("th", { scope: "col" }, name)));
  const plain = names.filter((name) => !name.includes("."));
  const split = [...new Set(names.filter((name) => name.includes(".")).map((name) => name.slice(name.indexOf(".") + 1)))];
  const table = element("table", {}, element("tbody", {},
    head("of its codes", "", "", "null"),
    plain.map((name) => element("tr", {}, element("td", { title: columns[name].about }, name), cell(name), element("td"), none(name))),
    head("of its weights", "encoder", "decoder", "null"),
    split.map((name) => element("tr", {}, element("td", { title: (columns[`decoder.${name}`] ?? columns[`encoder.${name}`]).about }, name),
      cell(`encoder.${name}`), cell(`decoder.${name}`), none(columns[`decoder.${name}`] ? `decoder.${name}` : `encoder.${name}`)))));
  return card("Measures", element("div", { className: "scroll", tabIndex: 0, role: "region", "aria-label": "measures" }, table),
    element("p", { className: "soft" }, "Point at a name for its formula."));
}

// Runs side by side: their figures, and each feature of the first beside its partners in the others.

import { act, ask, of, tiles } from "./ask.js";
import { announce, card, choice, element, labelled, say, sorry, svg } from "./dom.js";
import { verdict } from "./marks.js";
import { filterCanvas } from "./paint.js";
import { figure, saveCsv } from "./save.js";

const PAGE = 60; // pairs at once
const MOST = 4; // runs
const ALONE = 120; // features without a partner, at once
const FIGURES = [
  ["explained_variance", "explained variance", "high"], ["l0", "L0", "low"], ["n_latents", "features", null],
  ["dead", "dead features", "low"], ["seconds", "seconds to train", "low"],
];

export async function open(place, { query, remember }) {
  const keys = (query.get("runs") ?? "").split(",").filter(Boolean).map(decodeURIComponent);
  const { rows } = await ask("runs");
  const known = rows.filter((row) => !row.damaged && row.ended !== null);
  place.append(element("h1", {}, "Runs side by side"));
  const runs = keys.map((key) => known.find((row) => row.key === key));
  const lost = keys.filter((_, n) => !runs[n]);
  if (lost.length) place.append(sorry({ message: `${lost.join(", ")}: no run of this name has ended` }));
  const there = runs.filter(Boolean);
  place.append(chooser(known, there));
  if (there.length < 2) {
    place.append(element("p", { className: "soft" }, "Choose two or more that have ended. The first is what the others are matched with."));
    return;
  }
  const asked = there.map((row) => encodeURIComponent(row.key)).join(",");
  place.append(figuresCard(there, asked));
  const working = element("p", { className: "soft", role: "status" }, "Features are being matched …");
  place.append(working);
  try {
    const all = await ask(`compare?runs=${asked}`);
    working.remove();
    place.append(nearness(there, all), pairsCard(there, all, asked, query, remember), aloneCard(there, all, asked));
  } catch (error) {
    working.replaceWith(sorry(error));
  }
}

const address = (rows) => `#/compare?runs=${rows.map((row) => encodeURIComponent(row.key)).join(",")}`;

/** Which runs, and in which order. */
function chooser(known, there) {
  const left = known.filter((row) => !there.includes(row));
  const go = (rows) => (location.hash = address(rows));
  const chips = there.map((row, n) =>
    element("li", {},
      element("span", { className: `dot of${n}`, "aria-hidden": "true" }),
      element("a", { href: `#/${of(row.key, "")}` }, row.key),
      n > 0 && element("button", { className: "plain", "aria-label": `Put ${row.key} first`, onclick: () => go([row, ...there.filter((other) => other !== row)]) }, "first"),
      element("button", { className: "plain", "aria-label": `Leave ${row.key} out`, onclick: () => go(there.filter((other) => other !== row)) }, "leave out")));
  const add = choice([["", there.length ? "another run" : "a run"], ...left.map((row) => [row.key, row.key])], "", (key) => key && go([...there, left.find((row) => row.key === key)]));
  return element("div", { className: "controls chosen" },
    element("ul", { className: "chosenruns" }, chips),
    there.length < MOST && left.length ? labelled("add", add) : null);
}

/** Which of some numbers are the best, as they are written; none where all are written alike. */
function better(values, end) {
  const finite = values.filter(Number.isFinite);
  if (!end || new Set(finite.map(say)).size < 2) return values.map(() => false);
  const best = say(end === "high" ? Math.max(...finite) : Math.min(...finite));
  return values.map((value) => say(value) === best);
}

function marked(value, best) {
  return element("td", { className: best ? "better" : "" }, best && element("span", { "aria-hidden": "true" }, "● "), say(value), best && element("span", { className: "unseen" }, " better"));
}

function figuresCard(there, asked) {
  const together = new Set(there.map((row) => row.group)).size === 1;
  const head = (row, n) => element("th", { scope: "col" }, element("span", { className: `dot of${n}`, "aria-hidden": "true" }), row.key);
  const body = FIGURES.map(([key, title, end]) => {
    const values = there.map((row) => row[key]);
    const best = better(values, key === "explained_variance" && !together ? null : end);
    return element("tr", {}, element("th", { scope: "row" }, title), there.map((row, n) => marked(values[n], best[n])), element("td", { className: "null" }, key === "explained_variance" ? "0: the mean of the samples" : ""));
  });
  const words = [["recipe", (row) => row.recipe], ["architecture", (row) => row.architecture], ["findings", (row) => verdict(row.findings)], ["claims that hold", (row) => (row.claims ? `${row.claims.hold} of ${row.claims.made}` : "–")]];
  body.push(...words.map(([title, cell]) => element("tr", {}, element("th", { scope: "row" }, title), there.map((row) => element("td", {}, cell(row))), element("td"))));
  const inner = element("div");
  const button = element("button", { onclick: async () => {
    button.disabled = true;
    inner.replaceChildren(element("p", { className: "soft", role: "status" }, "Measuring, which takes some seconds …"));
    try {
      inner.replaceChildren(measuredTable(await act("POST", `compare/measured?runs=${asked}`)));
      announce("measured");
    } catch (error) {
      inner.replaceChildren(sorry(error));
      button.disabled = false;
    }
  } }, "Measure them on the same samples");
  return card("Figures",
    !together && element("p", { className: "sorry" }, "These runs differ in their data or their units: their explained variances say nothing about each other. Measure them on the same samples."),
    element("div", { className: "scroll", tabIndex: 0, role: "region", "aria-label": "figures side by side" },
      element("table", { className: "sided" }, element("thead", {}, element("tr", {}, element("td"), there.map(head), element("th", { scope: "col" }, "null"))), element("tbody", {}, body))),
    element("p", { className: "soft" }, "● is better. What each run measured at its end, in the units of its own model."),
    button, inner);
}

function measuredTable({ said, figures, rows }) {
  const runs = rows.filter((row) => row.kind === "run");
  const marks = figures.map(({ name, better: end }) => better(runs.map((row) => row[name]), end));
  const body = rows.map((row) => {
    const at = runs.indexOf(row);
    return element("tr", {}, element("th", { scope: "row" }, at < 0 ? `${row.name} (${row.kind})` : row.name), figures.map(({ name }, n) => marked(row[name], at >= 0 && marks[n][at])));
  });
  const heads = figures.map(({ title }) => title);
  return element("div", {},
    element("p", {}, said),
    element("div", { className: "scroll", tabIndex: 0, role: "region", "aria-label": "measured on the same samples" },
      element("table", { className: "sided" }, element("thead", {}, element("tr", {}, element("td"), heads.map((head) => element("th", { scope: "col" }, head)))), element("tbody", {}, body))),
    element("p", { className: "save" }, element("button", { "aria-label": "Save what was measured as CSV", onclick: () => saveCsv("comparison", ["", ...heads], rows.map((row) => [row.name, ...figures.map(({ name }) => row[name])])) }, "CSV")));
}

function nearness(there, all) {
  const said = all.others.map((other, n) => element("li", {},
    element("span", { className: `dot of${n + 1}`, "aria-hidden": "true" }),
    `${there[n + 1].key}: ${say(other.paired)} pairs with a mean cosine of ${say(other.cosine)}, where random directions have ${say(other.null)}`));
  return card(`How near features of ${there[0].key} are to those of the others`,
    element("ul", { className: "plainlist" }, said),
    element("div", { className: "charts" }, Object.entries(all.charts).map(([title, text]) => figure(title, svg(text, title), title))));
}

/** Filters of some features of every run, by run and id; runs that are no pictures have none. */
async function pictures(there, all, wanted) {
  const found = await Promise.all(there.map(async (row, n) => {
    const [ids, { shape }] = [[...new Set(wanted[n])], all.runs[n]];
    if (!shape || !ids.length) return new Map();
    const { levels } = await tiles(row.key, "decoder", ids);
    const width = levels.length / ids.length;
    return new Map(ids.map((id, at) => [id, filterCanvas(levels.subarray(at * width, (at + 1) * width), shape)]));
  }));
  return (n, id) => {
    const canvas = found[n].get(id);
    if (!canvas) return null;
    const copy = canvas.cloneNode();
    copy.getContext("2d").drawImage(canvas, 0, 0);
    return copy;
  };
}

function tile(row, n, id, picture) {
  return element("a", { className: "tile", href: `#/${of(row.key, `feature/${id}`)}`, "aria-label": `feature ${id} of ${row.key}` },
    picture(n, id), element("span", {}, element("span", { className: `dot of${n}`, "aria-hidden": "true" }), `${id}`));
}

function pairsCard(there, all, asked, query, remember) {
  const state = {
    sort: query.get("sort") === "id" ? "id" : "cosine", down: query.get("down") !== "0", start: Math.max(0, Number(query.get("from")) || 0),
    measures: query.get("measures")?.split(",").filter((name) => name in all.known) ?? all.usual,
  };
  const list = element("ul", { className: `pairs beside${there.length}`, onkeydown: walk });
  const told = element("span", { className: "soft", role: "status" });
  const last = PAGE * Math.floor(Math.max(0, all.of - 1) / PAGE);
  const orders = { "cosine 1": "nearest first", "cosine 0": "farthest first", "id 0": "by number" };
  const go = (start) => {
    state.start = Math.max(0, Math.min(last, start));
    return fill();
  };
  const turns = [["first", () => 0], ["back", () => state.start - PAGE], ["on", () => state.start + PAGE], ["last", () => last]].map(([name, to]) =>
    element("button", { onclick: () => go(to()) }, name));
  const shown = new Set(state.measures);
  const boxes = Object.entries(all.known).map(([name, { about }]) => element("label", { className: "check", title: about },
    element("input", { type: "checkbox", checked: shown.has(name), onchange: (event) => {
      if (event.target.checked) shown.add(name);
      else shown.delete(name);
      state.measures = Object.keys(all.known).filter((each) => shown.has(each));
      fill();
    } }), name));

  let turn = 0;
  async function fill() {
    const mine = ++turn;
    remember({ sort: state.sort === "cosine" ? null : "id", down: state.down ? null : "0", from: state.start || null, measures: state.measures.join() === all.usual.join() ? null : state.measures.join(",") });
    const path = `compare/pairs?runs=${asked}&sort=${state.sort}&down=${Number(state.down)}&from=${state.start}&count=${PAGE}&measures=${state.measures.map(encodeURIComponent).join(",")}`;
    try {
      const pairs = await ask(path);
      const wanted = there.map((_, n) => pairs.map((pair) => (n === 0 ? pair.id : pair.partners[n - 1]?.id)).filter((id) => id !== undefined));
      const picture = await pictures(there, all, wanted);
      if (mine !== turn) return;
      list.replaceChildren(...pairs.map((pair) => element("li", {}, pairOf(there, all, state.measures, pair, picture))));
      told.textContent = `${say(state.start + 1)} to ${say(state.start + pairs.length)} of ${say(all.of)}`;
    } catch (error) {
      list.replaceChildren(element("li", {}, sorry(error)));
    }
    turns[0].disabled = turns[1].disabled = state.start === 0;
    turns[2].disabled = turns[3].disabled = state.start >= last;
  }

  fill();
  const about = state.measures.length || Object.keys(all.known).length ? null : element("p", { className: "soft" }, "A run has no atlas, so measures are not shown; `sparsight report` makes it.");
  return card("Feature by feature",
    element("div", { className: "controls" },
      labelled("sorted", choice(Object.entries(orders), `${state.sort} ${Number(state.sort === "cosine" && state.down)}`, (value) => {
        [state.sort, state.down] = [value.split(" ")[0], value.endsWith("1")];
        go(0);
      })),
      element("span", { className: "turns" }, turns), told),
    about ?? element("details", { className: "measures" }, element("summary", {}, "measures that are shown"), element("div", { className: "boxes" }, boxes)),
    list);
}

function pairOf(there, all, measures, pair, picture) {
  const line = [tile(there[0], 0, pair.id, picture)];
  pair.partners.forEach((partner, n) => {
    line.push(partner === null
      ? element("span", { className: "tile none" }, element("span", {}, "no partner"))
      : [element("span", { className: "cosine", title: "cosine of decoder rows" }, partner.cosine.toFixed(2), bar(partner.cosine)), tile(there[n + 1], n + 1, partner.id, picture)]);
  });
  if (!measures.length) return element("div", { className: "line" }, line);
  const cells = (name) => [pair.measures[name], ...pair.partners.map((partner) => partner?.measures[name])].map((value) => element("td", {}, say(value)));
  const table = element("table", {}, element("tbody", {}, measures.map((name) => element("tr", {}, element("th", { scope: "row", title: all.known[name].about }, name.replaceAll("_", " ")), cells(name)))));
  return element("div", {}, element("div", { className: "line" }, line), table);
}

function bar(cosine) {
  const inner = element("i");
  inner.style.width = `${100 * Math.max(0, cosine)}%`;
  return element("span", { className: "meter", "aria-hidden": "true" }, inner);
}

/** Arrows go from pair to pair. */
function walk(event) {
  const items = [...event.currentTarget.children];
  const here = items.indexOf(event.target.closest("li"));
  const first = items[0]?.offsetTop;
  const across = Math.max(1, items.filter((item) => item.offsetTop === first).length);
  const step = { ArrowRight: 1, ArrowLeft: -1, ArrowDown: across, ArrowUp: -across }[event.key];
  const next = items[here + step]?.querySelector("a");
  if (!step || here < 0 || !next) return;
  event.preventDefault();
  next.focus();
}

function aloneCard(there, all, asked) {
  const counts = [all.alone, ...all.others.map((other) => other.alone)];
  const parts = there.map((row, n) => {
    if (!counts[n]) return null;
    const list = element("ul", { className: "shelf" });
    const more = element("button", { onclick: () => fill() }, "show more");
    let shown = 0;
    async function fill() {
      more.disabled = true;
      const { of: count, ids } = await ask(`compare/alone?runs=${asked}&of=${n}&from=${shown}&count=${ALONE}`);
      const picture = await pictures(there, all, there.map((_, at) => (at === n ? ids : [])));
      list.append(...ids.map((id) => element("li", {}, tile(row, n, id, picture))));
      shown += ids.length;
      more.disabled = false;
      more.hidden = shown >= count;
    }
    const inner = element("details", { ontoggle: () => inner.open && !shown && fill().catch((error) => list.replaceChildren(sorry(error))) },
      element("summary", {}, `${say(counts[n])} of ${row.key}`), list, more);
    return inner;
  }).filter(Boolean);
  return card("Without a partner",
    element("p", { className: "soft" }, "Pairs are those with the largest sum of cosines in which no feature is taken twice; beyond 8,192 features, those that are each other's nearest. What is left over is here."),
    parts.length ? parts : element("p", {}, "Every feature has a partner."));
}

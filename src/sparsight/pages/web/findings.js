// What is wrong with a run, why, and what to do; and what was claimed of it.

import { act, ask, frozen, of, samples, tiles } from "./ask.js";
import { announce, card, element, say, sorry, svg } from "./dom.js";
import { begun } from "./jobs.js";
import { command, gauge, written } from "./marks.js";
import { filterCanvas, sampleCanvas } from "./paint.js";
import { figure, saver } from "./save.js";

const TILES = 12; // filters of a finding
const COLUMNS = 20; // of the picture of real features
const FRAME = 2;
const HEADS = ["here", "begins at", "null"];

export async function open(place, { run }) {
  const about = await ask(of(run, "about"));
  const show = { run, about, charts: new Map() };
  const wrong = element("div");
  const real = element("div");
  place.append(element("h1", {}, "Findings and evidence"), element("p", { className: "lead" }, about.lead), wrong, real);
  await Promise.all([
    ask(of(run, "findings")).then((found) => findings(wrong, show, found), (error) => wrong.append(sorry(error))),
    ask(of(run, "evidence")).then((found) => evidence(real, show, found), (error) => real.append(sorry(error))),
  ]);
}

function findings(place, show, found) {
  const said = element("span", { className: "soft", role: "status" });
  const look = element("button", { className: found.looked ? "" : "main", onclick: async () => {
    look.disabled = true;
    said.textContent = "Every rule is being asked …";
    try {
      const now = await act("POST", of(show.run, "findings"));
      findings(place, show, now);
      announce(`${now.findings.length} found`);
    } catch (error) {
      look.disabled = false;
      said.textContent = "";
      place.append(sorry(error));
    }
  } }, found.looked ? "Look again" : "Look now");
  const counts = ["red", "amber"].map((severity) => [severity, found.findings.filter((each) => each.severity === severity).length]).filter(([, n]) => n);
  const head = element("section", { className: "card" }, element("h2", {}, "What is wrong"));
  if (!found.looked) head.append(element("p", {}, "Nobody has looked. It takes some seconds."));
  else if (!counts.length) head.append(element("p", {}, element("span", { className: "light green" }, "green"), " No rule found anything."));
  else {
    head.append(
      element("p", {}, counts.map(([severity, n]) => [element("span", { className: `light ${severity}` }, `${n} ${severity}`), " "]), "Causes come before their effects."),
      element("p", { className: "soft" }, "In the pictures of numbers ● is here, | where the finding begins, ◇ the null: what chance gives, or a model that has learned nothing."));
  }
  if (!frozen) head.append(element("div", { className: "controls" }, look, element("span", { className: "soft" }, "or in a terminal"), command(found.command), said));
  if (found.mended.length) head.append(mending(show, found));
  place.replaceChildren(head, element("ol", { className: "findings" }, found.findings.map((each) => finding(show, each))));
}

/** The changes that mend what has a cause, and the training of the recipe that they make. */
function mending(show, found) {
  const said = element("span", { role: "status" });
  const train = element("button", { className: "main", onclick: async () => {
    train.disabled = true;
    said.textContent = "Starting …";
    try {
      const run = await begun(await act("POST", of(show.run, "mend"), {}));
      location.hash = `#/${of(run, "live")}`;
    } catch (error) {
      train.disabled = false;
      said.replaceChildren(sorry(error));
    }
  } }, "Train the mended recipe");
  return element("div", { className: "mend" },
    element("h3", {}, "The fixes of all causes, as changes of the recipe"),
    element("p", {}, found.mended.map((change) => [element("code", {}, change), " "])),
    !frozen && element("div", { className: "controls" }, train, said));
}

function finding(show, one) {
  const terms = [["cause", one.cause], ["fix", one.fix]].filter(([, text]) => text);
  const made = element("li", { className: "card" },
    element("h3", {}, element("span", { className: `light ${one.severity}` }, one.severity), ` ${one.id} ${one.rule}`),
    element("p", { className: "said" }, written(one.said)),
    one.numbers.length ? numbers(one) : null,
    element("dl", {}, terms.map(([name, text]) => [element("dt", {}, name), element("dd", {}, text)]),
      one.changes.length ? [element("dt", {}, "change"), element("dd", {}, one.changes.map((change) => [element("code", {}, change), " "]))] : null,
      element("dt", {}, "docs"), element("dd", {}, element("code", {}, one.page))));
  pictured(show, one).then((picture) => picture && made.append(picture), () => {}); // a finding stands without its picture
  return made;
}

function numbers(one) {
  const rows = one.numbers.map((number) => element("tr", {},
    element("th", { scope: "row" }, number.name, number.about && element("span", { className: "null" }, number.about)),
    ["value", "limit", "null"].map((key, n) => element("td", { data: { title: HEADS[n] } }, say(number[key]))),
    element("td", { className: "gauged" }, gauge(number) ?? "")));
  return element("div", { className: "scroll", tabIndex: 0, role: "region", "aria-label": `the numbers of ${one.id}` },
    element("table", { className: "folding" }, element("thead", {}, element("tr", {}, element("td"), HEADS.map((head) => element("th", { scope: "col" }, head)), element("td"))), element("tbody", {}, rows)));
}

/** What a finding is about: filters beside their null, samples, or a chart. */
async function pictured(show, one) {
  const [group, title] = one.shown;
  const { about, run } = show;
  if (group === "filters") return about.sides.length ? filters(show, one) : listed(run, one);
  if (group === "samples") {
    if (!about.shape || frozen) return null;
    const ids = Array.from({ length: TILES }, (_, n) => n);
    const { levels } = await samples(run, ids);
    return element("div", {}, element("h4", {}, "samples"), strip(ids, levels, (part) => sampleCanvas(part, about.shape)));
  }
  if (!show.charts.has(group)) show.charts.set(group, ask(of(run, `charts/${group}`)));
  const [name, text] = Object.entries(await show.charts.get(group)).find(([each]) => each.startsWith(title)) ?? [];
  return name ? figure(`${one.rule}: ${name}`, svg(text, name), name) : null;
}

async function filters({ run, about }, one) {
  const known = about.shown ?? Array.from({ length: about.features }, (_, n) => n); // a report may hold some alone
  const spread = Math.min(TILES, known.length);
  const concerned = about.shown ? one.features.filter((id) => known.includes(id)) : one.features;
  const ids = concerned.length ? concerned.slice(0, TILES) : Array.from({ length: spread }, (_, n) => known[Math.round((n * (known.length - 1)) / Math.max(1, spread - 1))]);
  const rows = await Promise.all(about.sides.map(async (side) => {
    const { levels } = await tiles(run, side, ids);
    const link = side === "null" ? null : (id) => `#/${of(run, `feature/${id}`)}`;
    return [element("h4", {}, side === "null" ? "null: white noise" : side), strip(ids, levels, (part) => filterCanvas(part, about.shape), link)];
  }));
  const more = one.features.length > TILES ? `, the worst ${TILES} of ${one.features.length}` : "";
  const lead = concerned.length ? `Features concerned${more}` : "Some of all features, evenly spread";
  return element("div", {}, element("p", { className: "soft" }, lead), rows.flat());
}

function listed(run, one) {
  if (!one.features.length) return null;
  return element("p", {}, "Features: ", one.features.slice(0, 4 * TILES).map((id) => [element("a", { href: `#/${of(run, `feature/${id}`)}` }, String(id)), " "]));
}

function strip(ids, levels, paint, link = null) {
  const width = levels.length / ids.length;
  return element("ul", { className: "shelf" }, ids.map((id, n) => {
    const canvas = paint(levels.subarray(n * width, (n + 1) * width));
    return element("li", {}, link ? element("a", { className: "tile", href: link(id), "aria-label": `feature ${id}` }, canvas, element("span", {}, String(id))) : element("span", { className: "tile", "aria-hidden": "true" }, canvas));
  }));
}

function evidence(place, show, found) {
  const head = element("section", { className: "card" }, element("h2", {}, "What is real"));
  place.replaceChildren(head);
  if (!found.verified) {
    head.append(element("p", {}, found.outdated ? "It was verified, but its weights are others now." : found.ended ? "Nobody has verified it. That trains it again from other starts and on null data, and so takes long: do it in a terminal." : "It has not ended, so nothing can be claimed of it."));
    if (found.ended) head.append(command(found.command));
    return;
  }
  head.append(element("p", { className: "soft" }, "Each claim with its interval of 95 % (━) and what its null gives (◇). ● holds, ○ does not."));
  if (found.real !== null) head.append(element("p", {}, element("b", { className: "big" }, `${say(found.real)} of ${say(found.of)}`), " features are real."));
  const cell = (title, text) => element("td", { data: { title } }, text);
  const rows = found.claims.map((claim) => element("tr", {},
    element("th", { scope: "row" }, claim.holds ? "● " : "○ ", claim.name, element("span", { className: "unseen" }, claim.holds ? " holds" : " does not hold")),
    element("td", { className: "said" }, written(claim.said)), cell("value", claim.value), cell("95 %", claim.interval), cell("null", claim.null), element("td", { className: "gauged" }, gauge(claim.numbers) ?? "")));
  head.append(
    element("div", { className: "scroll", tabIndex: 0, role: "region", "aria-label": "claims" },
      element("table", { className: "claims folding" }, element("thead", {}, element("tr", {}, ["claim", "what was found", "value", "95 %", "null"].map((name) => element("th", { scope: "col" }, name)), element("td"))), element("tbody", {}, rows))),
    Object.entries(found.left_out).map(([name, why]) => element("p", { className: "soft" }, element("b", {}, name), ` is left out: ${why}.`)));
  if (found.features && show.about.sides.includes("decoder")) reality(show, found).then((part) => head.after(part), (error) => head.after(sorry(error)));
  else if (found.features) head.append(numbered(show.run, found.features));
  const drawn = Object.entries(found.charts).map(([title, text]) => element("div", {}, element("h3", {}, title), figure(title, svg(text, title))));
  if (drawn.length) place.append(card("Behind it", element("div", { className: "charts" }, drawn)));
}

/** The real features of data that are no pictures. */
function numbered(run, { ids, columns }) {
  const real = ids.filter((_, n) => columns.real[n]);
  return element("p", {}, real.length ? "Real: " : "", real.map((id) => [element("a", { href: `#/${of(run, `feature/${id}`)}` }, String(id)), " "]));
}

/** Green where a feature is real, else from amber to red as it is less stable. */
function frame(real, stability) {
  if (real) return [26, 179, 64];
  const [stable, unstable] = [[242, 191, 77], [179, 38, 26]];
  const part = Math.max(0, Math.min(1, stability ?? 0));
  return unstable.map((from, n) => from + part * (stable[n] - from));
}

/** Those features that a report holds, where it holds some alone. */
function kept({ ids, columns }, shown) {
  const places = ids.map((_, n) => n).filter((n) => !shown || shown.includes(ids[n]));
  return { ids: places.map((n) => ids[n]), columns: Object.fromEntries(Object.entries(columns).map(([name, values]) => [name, places.map((n) => values[n])])) };
}

/** Decoder rows in frames, the real ones first: each a link to its feature, and all as one picture to save. */
async function reality({ run, about }, found) {
  const { ids, columns } = kept(found.features, about.shown);
  const { levels } = await tiles(run, "decoder", ids);
  const width = levels.length / ids.length;
  const canvases = ids.map((_, n) => filterCanvas(levels.subarray(n * width, (n + 1) * width), about.shape));
  const list = element("ul", { className: "reality", onkeydown: walk }, ids.map((id, n) => {
    const known = Object.entries(columns).filter(([name]) => name !== "real").map(([name, values]) => `${name.replaceAll("_", " ")} ${say(values[n])}`);
    const said = [`feature ${id}: ${columns.real[n] ? "real" : "not shown to be real"}`, ...known].join(", ");
    const link = element("a", { href: `#/${of(run, `feature/${id}`)}`, title: said.replaceAll(", ", "\n"), "aria-label": said, tabIndex: n ? -1 : 0 }, canvases[n]);
    link.style.borderColor = `rgb(${frame(columns.real[n], columns.stability?.[n]).map(Math.round)})`;
    return element("li", {}, link);
  }));
  const shown = ids.length < found.of ? `${ids.length} of ${say(found.of)} decoder rows` : "Decoder rows";
  return card("Feature by feature", list,
    element("p", { className: "soft" }, `${shown}, the real ones first, framed in green; the others by stability, from amber to red. Arrow keys go from one to the next. `,
      saver("real-features", () => sheet(canvases, columns))));
}

/** Arrows go from feature to feature; one of them is in the order of the tab key. */
function walk(event) {
  const links = [...event.currentTarget.querySelectorAll("a")];
  const across = links.filter((link) => link.offsetTop === links[0].offsetTop).length;
  const step = { ArrowRight: 1, ArrowLeft: -1, ArrowDown: across, ArrowUp: -across }[event.key];
  const next = links[links.indexOf(event.target) + step];
  if (!step || !next) return;
  event.preventDefault();
  event.target.tabIndex = -1;
  next.tabIndex = 0;
  next.focus();
}

/** The framed filters as one canvas. */
function sheet(canvases, columns) {
  const [wide, high] = [canvases[0].width + 2 * FRAME, canvases[0].height + 2 * FRAME];
  const made = element("canvas", { width: COLUMNS * (wide + 1) + 1, height: Math.ceil(canvases.length / COLUMNS) * (high + 1) + 1 });
  const pen = made.getContext("2d");
  canvases.forEach((canvas, n) => {
    const [left, top] = [1 + (n % COLUMNS) * (wide + 1), 1 + Math.floor(n / COLUMNS) * (high + 1)];
    pen.fillStyle = `rgb(${frame(columns.real[n], columns.stability?.[n]).map(Math.round)})`;
    pen.fillRect(left, top, wide, high);
    pen.drawImage(canvas, left + FRAME, top + FRAME);
  });
  return made;
}

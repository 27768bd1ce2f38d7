// All runs: what each is, how it came out, and what its features cost and buy.

import { ask, of, tiles } from "./ask.js";
import { announce, card, choice, element, labelled, say, settled, svg } from "./dom.js";
import { command, curve, verdict, written } from "./marks.js";
import { filterCanvas } from "./paint.js";
import { figure, saveCsv } from "./save.js";

const SHOWN = 6; // filters of a row
const LARGEST = 2e7; // parameters of a model of which a row shows filters
const AGAIN = 4000;
const MOST = 4; // runs that are compared at once
const ROWS = 60; // shown before one asks for all
const percent = (value) => (Number.isFinite(value) ? `${(100 * value).toFixed(1)} %` : "–");

const COLUMNS = [
  { key: "name", title: "run", of: (row) => row.name.toLowerCase(), up: true },
  { key: "n_latents", title: "features", of: (row) => row.n_latents, cell: (row) => say(row.n_latents) },
  { key: "l0", title: "L0", tip: "features per sample", up: true, of: (row) => row.l0, cell: (row) => say(row.l0) },
  { key: "explained", title: "explained variance", tip: "of samples that were held out, where there are any; the null is the mean of the samples", none: "null 0 %", of: (row) => row.explained_variance, cell: explained },
  { key: "dead", title: "dead", tip: "features that no sample uses", up: true, of: (row) => row.dead, cell: (row) => say(row.dead) },
  { key: "findings", title: "findings", of: (row) => row.findings && 1000 * row.findings.red + row.findings.amber, cell: found },
  { key: "claims", title: "claims", tip: "claims that hold, of those that were tested", of: (row) => row.claims && row.claims.hold / row.claims.made, cell: claimed },
  { key: "curve", title: "training", tip: "explained variance of the batches", cell: (row) => curve(row.curve, "explained variance") },
  { key: "seconds", title: "took", up: true, of: (row) => row.seconds, cell: (row) => long(row.seconds) },
  { key: "written", title: "last written", of: (row) => row.written, cell: (row) => when(row.written) },
];

function explained(row) {
  const best = row.best && element("span", { className: "best", title: "no run explains as much with fewer features per sample, or more with as many" }, "●", element("span", { className: "unseen" }, " best"));
  return [best, percent(row.explained_variance)];
}

function found(row) {
  return element("a", { href: `#/${of(row.key, "findings")}`, className: "quiet" }, verdict(row.findings));
}

function claimed(row) {
  return row.claims ? `${row.claims.hold} of ${row.claims.made}` : "–";
}

function long(seconds) {
  if (!Number.isFinite(seconds)) return "–";
  if (seconds < 100) return `${say(seconds)} s`;
  return seconds < 6000 ? `${(seconds / 60).toFixed(1)} min` : `${(seconds / 3600).toFixed(1)} h`;
}

/** How long ago, and when exactly as a tip. */
function when(text) {
  if (!text) return "–";
  const then = new Date(text);
  const minutes = Math.max(0, (Date.now() - then) / 60000);
  const said = minutes < 60 ? `${Math.round(minutes)} min ago` : minutes < 2880 ? `${Math.round(minutes / 60)} h ago` : minutes < 86400 ? `${Math.round(minutes / 1440)} days ago` : then.toLocaleDateString();
  return element("span", { title: then.toLocaleString() }, said);
}

export async function open(place, { query, remember }) {
  let record = await ask("runs");
  const state = { sort: query.get("sort") ?? "written", down: query.get("down") !== "0", find: query.get("find") ?? "" };
  const chosen = new Set((query.get("chosen") ?? "").split(",").filter(Boolean).map(decodeURIComponent));
  place.append(element("h1", {}, "Runs"));
  if (!record.rows.length) {
    place.append(nothing(record.home));
    return undefined;
  }

  const body = element("tbody", { role: "rowgroup", onkeydown: walk });
  const heads = element("tr", { role: "row" });
  const table = element("table", { className: "runs", role: "table", "aria-label": "Runs" }, element("thead", { role: "rowgroup" }, heads), body);
  const told = element("span", { className: "soft", role: "status" });
  const beside = element("button", { className: "main", onclick: () => (location.hash = `#/compare?runs=${[...chosen].map(encodeURIComponent).join(",")}`) }, "Compare");
  const plots = element("div", { className: "charts pareto" });
  const lazy = thumbnails();
  let whole = false;
  const more = element("button", { className: "more", onclick: () => {
    whole = true;
    fill();
  } });
  const filter = element("input", { type: "search", value: state.find, placeholder: "name, recipe, architecture", oninput: settled(120, () => {
    state.find = filter.value;
    fill();
  }) });
  const sorted = choice(COLUMNS.filter((column) => column.of).map((column) => [column.key, column.title]), state.sort, (key) => by(key));
  place.append(
    record.notes.length ? element("ul", { className: "notes" }, record.notes.map((note) => element("li", {}, written(note)))) : "",
    element("section", { className: "card" },
      element("div", { className: "controls" },
        labelled("find", filter),
        labelled("sorted by", sorted, "narrow"),
        beside, told,
        element("a", { href: "#/new", className: "button" }, "Train a new one"),
        element("button", { onclick: () => saveCsv("runs", COLUMNS.filter((c) => c.of).map((c) => c.title), shown().map((row) => COLUMNS.filter((c) => c.of).map((c) => value(c, row)))) }, "Save as CSV")),
      element("div", { className: "scroll" }, table), more),
    plots);

  const value = (column, row) => (row.damaged ? (column.key === "name" ? row.name : null) : column.of(row));

  function shown() {
    const words = state.find.toLowerCase().split(/\s+/).filter(Boolean);
    const column = COLUMNS.find((each) => each.key === state.sort && each.of) ?? COLUMNS[0];
    const kept = record.rows.filter((row) => words.every((word) => `${row.key} ${row.recipe ?? ""} ${row.architecture ?? ""} ${row.source ?? ""}`.toLowerCase().includes(word)));
    const sign = state.down ? -1 : 1;
    return kept.sort((a, b) => {
      const [left, right] = [value(column, a), value(column, b)];
      if (left === right || column.key === "name") return (column.key === "name" ? sign : 1) * a.key.localeCompare(b.key, "en", { numeric: true });
      if (left === null || left === undefined) return 1;
      if (right === null || right === undefined) return -1;
      return sign * (left < right ? -1 : 1);
    });
  }

  function by(key) {
    state.down = state.sort === key ? !state.down : !COLUMNS.find((column) => column.key === key).up;
    state.sort = key;
    sorted.value = key;
    fill();
  }

  function fill() {
    remember({ sort: state.sort, down: state.down ? null : "0", find: state.find, chosen: [...chosen].map(encodeURIComponent).join(",") });
    heads.replaceChildren(
      element("td", { role: "cell" }),
      ...COLUMNS.map((column) => element("th", { role: "columnheader", scope: "col", title: column.tip ?? "", ...(state.sort === column.key ? { "aria-sort": state.down ? "descending" : "ascending" } : {}) },
        column.of ? element("button", { onclick: () => by(column.key) }, column.title, element("span", { "aria-hidden": "true" }, state.sort === column.key ? (state.down ? " ↓" : " ↑") : "")) : column.title,
        column.none && element("span", { className: "null" }, column.none))));
    const rows = shown();
    body.replaceChildren(...(whole ? rows : rows.slice(0, ROWS)).map(line));
    more.hidden = whole || rows.length <= ROWS;
    more.textContent = `Show all ${rows.length}`;
    count();
  }

  function count() {
    beside.disabled = chosen.size < 2 || chosen.size > MOST;
    told.textContent = chosen.size ? `${chosen.size} chosen${chosen.size > MOST ? `, at most ${MOST} at once` : chosen.size < 2 ? ", choose another" : ""}` : "choose two or more to compare them";
  }

  function line(row) {
    const link = element("a", { href: `#/${of(row.key, "")}`, className: "name" }, row.name);
    if (row.damaged) {
      return element("tr", { role: "row", className: "damaged", data: { key: row.key } },
        element("td", { role: "cell" }),
        element("td", { role: "cell" }, element("b", {}, row.key), element("span", { className: "state" }, "damaged")),
        element("td", { role: "cell", colSpan: COLUMNS.length - 1 }, written(row.damaged)));
    }
    const box = element("input", { type: "checkbox", checked: chosen.has(row.key), "aria-label": `Choose ${row.key} to compare`, onchange: () => {
      if (box.checked) chosen.add(row.key);
      else chosen.delete(row.key);
      remember({ chosen: [...chosen].map(encodeURIComponent).join(",") });
      count();
    } });
    const state = row.ended === null && element("a", { className: "state", href: `#/${of(row.key, "live")}` }, row.training ? "training" : "not ended");
    const about = [row.recipe, row.architecture, row.source ?? "data in memory", `seed ${row.seed}`].join(" · ");
    const head = element("td", { role: "cell", className: "what" }, element("div", {},
      element("div", {}, link, state, element("span", { className: "null" }, about)), lazy.strip(row)));
    const cells = COLUMNS.slice(1).map((column) => element("td", { role: "cell", data: { title: column.title } }, column.cell(row)));
    const point = (on) => () => plots.querySelectorAll("a").forEach((each) => each.classList.toggle("on", on && each.getAttribute("href") === `#/${of(row.key, "")}`.replace(/\/$/, "")));
    return element("tr", { role: "row", data: { key: row.key }, onmouseenter: point(true), onmouseleave: point(false) }, element("td", { role: "cell", className: "box" }, box), head, ...cells);
  }

  function draw() {
    plots.replaceChildren(...Object.entries(record.charts).map(([title, text]) => {
      const chart = svg(text, title);
      for (const point of chart.querySelectorAll("a")) {
        const key = decodeURIComponent(point.getAttribute("href").split("/")[2]);
        const row = () => body.querySelector(`tr[data-key="${CSS.escape(key)}"]`);
        const on = (yes) => () => row()?.classList.toggle("on", yes);
        for (const [name, yes] of [["mouseenter", true], ["focus", true], ["mouseleave", false], ["blur", false]]) point.addEventListener(name, on(yes));
      }
      return card("", element("h2", {}, title), figure(title, chart, "● no other run explains as much with fewer features per sample, or more with as many. Points lead to their runs."));
    }));
  }

  fill();
  draw();
  const timer = setInterval(async () => {
    if (document.hidden || !record.rows.some((row) => row.training) || body.contains(document.activeElement)) return;
    const next = await ask("runs").catch(() => null);
    if (next === null || JSON.stringify(next) === JSON.stringify(record)) return;
    record = next;
    fill();
    draw();
  }, AGAIN);
  return () => {
    clearInterval(timer);
    lazy.stop();
  };
}

/** Up and down go from row to row, past those that cannot be opened. */
function walk(event) {
  const step = { ArrowDown: 1, ArrowUp: -1 }[event.key];
  if (!step) return;
  const targets = [...event.currentTarget.querySelectorAll(event.target.matches("input") ? "input" : "a.name")];
  const here = targets.indexOf(event.target.closest("tr").querySelector(event.target.matches("input") ? "input" : "a.name"));
  if (!targets[here + step]) return;
  event.preventDefault();
  targets[here + step].focus();
}

/** Strips of filters that are asked for when they come into view, one after the other. */
function thumbnails() {
  const waiting = new Map();
  let line = Promise.resolve();
  const watch = new IntersectionObserver((entries) => {
    for (const { isIntersecting, target } of entries) {
      if (!isIntersecting || !waiting.has(target)) continue;
      const row = waiting.get(target);
      waiting.delete(target);
      watch.unobserve(target);
      line = line.then(() => target.isConnected && paint(row, target)).catch(() => target.remove());
    }
  }, { rootMargin: "200px" });

  async function paint(row, target) {
    const n = Math.min(SHOWN, row.n_latents);
    const ids = Array.from({ length: n }, (_, at) => Math.round((at * (row.n_latents - 1)) / Math.max(1, n - 1)));
    const { levels } = await tiles(row.key, row.side, ids);
    const width = levels.length / n;
    target.replaceChildren(...ids.map((_, at) => filterCanvas(levels.subarray(at * width, (at + 1) * width), row.shape)));
  }

  return {
    strip(row) {
      if (!row.shape || row.parameters > LARGEST) return null;
      const made = element("div", { className: "strip", "aria-hidden": "true" });
      waiting.set(made, row);
      watch.observe(made);
      return made;
    },
    stop: () => watch.disconnect(),
  };
}

function nothing(home) {
  announce("there is no run yet");
  return card("No run yet",
    element("p", {}, "Train a first one on the handwritten digits that come with sparsight; it takes less than a minute."),
    element("p", {}, element("a", { href: "#/new", className: "button main" }, "Train one here")),
    element("p", {}, "Or in a terminal:"),
    command(`sparsight train digits -o ${home}/strokes`));
}

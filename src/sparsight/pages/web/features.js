// All features: as a grid of filters, as a map, or as a table; sorted and chosen by any measure.

import { ask, column, frozen, of, text, tiles } from "./ask.js";
import { announce, choice, element, labelled, say, settled, switches } from "./dom.js";
import { grid, Store } from "./grid.js";
import { list } from "./list.js";
import { remember } from "./main.js";
import { map } from "./map.js";
import { everything, sorted } from "./order.js";
import { filterCanvas, palette } from "./paint.js";
import { save, saveCsv, savePng } from "./save.js";
import { meaning, parse } from "./where.js";

const TOLD = ["rate", "mean_firing", "max", "purity"];

export async function open(place, { run, query }) {
  column(run, query.get("sort") ?? "rate").catch(() => null); // what comes next; it need not wait for the rest
  const about = await ask(of(run, "about"));
  const columns = about.columns;
  if (!Object.keys(columns).length) return void place.append(missing(about, run));
  const shown = about.sides.length ? ["grid", "map", "table"] : ["table", "map"];
  const state = {
    of: query.get("of") ?? (about.sides.includes("decoder") ? "decoder" : "encoder"),
    view: query.get("view") ?? shown[0],
    sort: query.get("sort") ?? "rate",
    down: query.get("up") === null,
    where: query.get("where") ?? "",
    size: Number(query.get("size")) || 0,
    selected: query.get("at") === null ? -1 : Number(query.get("at")),
  };
  palette.colours = query.get("colours") ?? "grey";
  palette.scale = query.get("scale") ?? "own";
  if (!shown.includes(state.view)) state.view = shown[0];
  const all = () => (about.shown ? Uint32Array.from(about.shown) : everything(about.features));
  let order = all();
  let rate = null;
  let current = null;
  let named = {};

  const wrong = element("p", { className: "wrong", role: "alert", hidden: true });
  const count = element("span", { className: "count", role: "status" });
  const input = element("input", {
    type: "search", value: state.where, placeholder: "moran > .7 and rate < .05", spellcheck: false, autocomplete: "off",
    oninput: settled(180, () => { state.where = input.value; refresh(); }),
  });
  const sizes = element("input", { type: "range", min: 16, max: 160, step: 2, "aria-label": "size of a filter in pixels", oninput: () => resize(Number(sizes.value)) });
  const turn = element("button", { "aria-label": "turn the order round", title: "turn round", onclick: () => { state.down = !state.down; refresh(); } }, "⇅");
  const sorting = choice(["feature", ...Object.keys(columns)], state.sort, (name) => { state.sort = name; state.down = name !== "feature"; refresh(); });
  const sides = about.sides.length ? about.sides.filter((side) => side !== "null").concat(about.sides.includes("decoder") ? ["both"] : [], ["null"]) : [];
  const which = sides.length ? switches("which filters", sides, state.of, (side) => { state.of = side; current.sides?.(pairs()); keep(); }) : null;
  const display = sides.length ? element("details", { className: "display", open: innerWidth > 900 },
    element("summary", {}, "display"),
    element("div", { className: "controls" },
      labelled("size", sizes),
      labelled("colours", choice(["grey", "diverging"], palette.colours, (name) => { palette.colours = name; repaint(); })),
      labelled("scale", choice([["own", "each its own"], ["shared", "shared"]], palette.scale, (name) => { palette.scale = name; repaint(); })))) : null;
  const view = element("div", { className: "view" });
  const peek = element("aside", { className: "peek", "aria-label": "the chosen feature", tabIndex: 0 });
  place.append(
    element("div", { className: "controls" },
      element("h1", { className: "unseen" }, `Features of ${about.name}`),
      switches("view", shown, state.view, (name) => { state.view = name; build(); }),
      which,
      display,
      element("span", { className: "beside" }, labelled("sorted by", sorting), turn),
      labelled("where", input, "where"),
      count,
      element("span", { className: "save" },
        element("button", { "aria-label": "save all measures as CSV", onclick: csv }, "CSV"),
        element("button", { "aria-label": "save what is in sight as PNG", onclick: () => savePng(`${about.name}-features`, view.querySelector("canvas")), hidden: !sides.length }, "PNG")),
      wrong),
    element("div", { className: "stage" }, view, peek));

  const pairs = () => (state.of === "both" ? ["encoder", "decoder"] : [state.of]);
  const prefix = () => (state.of === "encoder" ? "encoder" : "decoder");
  const store = sides.length ? new Store(run, about.shape) : null;

  function keep() {
    remember({
      of: state.of, view: state.view === shown[0] ? null : state.view, sort: state.sort, up: state.down ? null : "1",
      where: state.where, size: state.size || null, at: state.selected < 0 ? null : state.selected,
      colours: palette.colours === "grey" ? null : palette.colours, scale: palette.scale === "own" ? null : palette.scale,
    });
  }

  function repaint() {
    store.repaint();
    current.redraw?.();
    look(state.selected);
    keep();
  }

  function resize(size) {
    state.size = size;
    current.show?.({ size });
    keep();
  }

  async function refresh() {
    wrong.hidden = true;
    let kept = all();
    try {
      if (state.where.trim()) {
        const { names, test } = parse(state.where, meaning(columns, prefix()));
        const values = {};
        for (const name of names) if (name !== "feature") values[name] = await column(run, name);
        kept = kept.filter(test(values));
      }
    } catch (error) {
      wrong.textContent = error.message;
      wrong.hidden = false;
      return;
    }
    if (state.sort !== "feature") order = sorted(kept, await column(run, state.sort), state.down);
    else order = state.down ? kept.reverse() : kept;
    sorting.value = state.sort;
    turn.setAttribute("aria-pressed", String(!state.down));
    await current.show({ order, sort: state.sort });
    named = Object.fromEntries(await Promise.all(told().map(async (name) => [name, await column(run, name)])));
    count.textContent = kept.length === all().length ? `${say(kept.length)} features` : `${say(kept.length)} of ${say(about.features)}`;
    keep();
  }

  const told = () => [...new Set([...TOLD, `${prefix()}.moran`, state.sort])].filter((name) => name in columns);
  const lines = (id) => told().map((name) => `${name}: ${say(named[name]?.[id])}`);

  const tip = document.getElementById("tip");
  function hover(id, event) {
    tip.hidden = id < 0 || event.pointerType === "touch";
    if (tip.hidden) return;
    tip.textContent = `feature ${id}\n${lines(id).join("\n")}`;
    tip.style.left = `${Math.min(event.clientX + 16, innerWidth - 250)}px`;
    tip.style.top = `${Math.min(event.clientY + 16, innerHeight - 150)}px`;
  }

  function select(id) {
    state.selected = id;
    current.select(id);
    look(id);
    announce(`feature ${id}, ${lines(id).join(", ")}`);
    keep();
  }
  const visit = (id) => { location.hash = `#/${of(run, `feature/${id}`)}`; };

  let looking = 0;
  async function look(id) {
    const mine = ++looking;
    if (id < 0) {
      peek.replaceChildren(element("p", { className: "soft" }, "Choose a feature by mouse, finger or arrow keys; Enter or a double click opens it. Press / to write what to look for."));
      return;
    }
    const drawn = await Promise.all(about.sides.filter((side) => side !== "null").map(async (side) => {
      const { levels } = await tiles(run, side, [id]);
      return element("figure", {}, filterCanvas(levels, about.shape), element("figcaption", {}, side));
    }));
    if (mine !== looking) return;
    const names = told();
    peek.replaceChildren(
      element("h2", {}, element("a", { href: `#/${of(run, `feature/${id}`)}` }, `Feature ${id}`)),
      element("div", { className: "pair" }, drawn),
      element("table", {},
        element("thead", {}, element("tr", {}, ["", "here", "null"].map((head) => element("th", {}, head)))),
        element("tbody", {}, names.map((name) => element("tr", {},
          element("td", { title: columns[name].about }, name), element("td", {}, say(named[name]?.[id])),
          element("td", { className: "null" }, columns[name].null === null ? "" : say(columns[name].null)))))),
      element("p", {}, element("a", { href: `#/${of(run, `feature/${id}`)}` }, "examples, neighbours, notes →")));
  }

  async function build() {
    current?.close();
    const on = { hover, select, open: visit, dim: (id) => rate?.[id] === 0 && state.of !== "null", label: (id) => `feature ${id}, ${lines(id).join(", ")}` };
    if (state.view === "grid") {
      const scroller = element("div", { className: "grid" });
      view.replaceChildren(scroller);
      const made = grid(scroller, store, on);
      made.show({ sides: pairs() });
      if (!state.size) sizes.value = made.fitting(about.features);
      else sizes.value = state.size;
      made.show({ size: Number(sizes.value) });
      current = { ...made, sides: (which) => made.show({ sides: which }) };
    } else if (state.view === "map") {
      view.replaceChildren(element("p", { className: "soft" }, "laying features out …"));
      current = await map(view, run, about, on);
    } else current = list(view, run, columns, on, (name) => { state.down = state.sort === name ? !state.down : true; state.sort = name; refresh(); });
    sizes.disabled = state.view !== "grid";
    await refresh();
    if (state.selected >= 0) current.select(state.selected, true);
    look(state.selected);
  }

  async function csv() {
    if (!frozen) return save(`${about.name}-features.csv`, await text(of(run, "features.csv")), "text/csv");
    const names = Object.keys(columns);
    const values = await Promise.all(names.map((name) => column(run, name)));
    return saveCsv(`${about.name}-features`, ["feature", ...names], [...order].map((id) => [id, ...values.map((v) => v[id])]));
  }

  function keys(event) {
    if (event.key === "/" && !/INPUT|TEXTAREA|SELECT/.test(document.activeElement.tagName)) {
      event.preventDefault();
      input.focus();
    }
  }
  addEventListener("keydown", keys);
  column(run, "rate").then((values) => { rate = values; current?.redraw?.(); });
  await build();
  return () => {
    removeEventListener("keydown", keys);
    current?.close();
  };
}

function missing(about, run) {
  const said = about.summary.ended === null ? "This run has not ended, and nothing is known of its features yet." : "Nobody has measured its features yet.";
  const go = element("button", { className: "main", onclick: async () => {
    const { act } = await import("./ask.js");
    go.disabled = true;
    go.textContent = "measuring …";
    try {
      await act("POST", of(run, "survey"));
      location.reload();
    } catch (error) {
      go.replaceWith(element("p", { className: "sorry" }, error.message));
    }
  } }, "measure them");
  return element("div", { className: "card" }, element("p", {}, said), about.summary.ended !== null && go, element("p", {}, element("a", { href: `#/${of(run, "live")}` }, "look at its training")));
}

// All features: as a grid of filters, as a map, or as a table; sorted and chosen by any measure.

import { act, ask, column, frozen, of, text } from "./ask.js";
import { all, chosen, telling, told, total } from "./choosing.js";
import { controls } from "./controls.js";
import { announce, element, say, sorry } from "./dom.js";
import { grid, Store } from "./grid.js";
import { list } from "./list.js";
import { map } from "./map.js";
import { palette } from "./paint.js";
import { peek } from "./peek.js";
import { save, saveCsv, savePng } from "./save.js";
import { wordgrid } from "./wordgrid.js";
import { Words } from "./words.js";

/** What an address says of what is shown. */
function stated(query, about, views) {
  const known = (name, options, usual) => (options.includes(query.get(name)) ? query.get(name) : usual);
  palette.colours = known("colours", ["diverging"], "grey");
  palette.scale = known("scale", ["shared"], "own");
  const at = Number(query.get("at") ?? -1);
  const usual = about.words && "label_score" in about.columns ? "label_score" : "rate"; // the most frequent say least
  return {
    of: known("of", ["encoder", "both", "null"], about.sides.includes("decoder") ? "decoder" : "encoder"),
    view: known("view", views, views[0]),
    sort: known("sort", ["feature", ...Object.keys(about.columns)], usual),
    down: query.get("up") === null,
    where: query.get("where") ?? "",
    size: Number(query.get("size")) || 0,
    selected: all(about).includes(at) ? at : -1,
  };
}

export async function open(place, { run, query, remember }) {
  column(run, query.get("sort") ?? "rate").catch(() => null); // what comes next; it need not wait for the rest
  const about = await ask(of(run, "about"));
  if (!Object.keys(about.columns).length) return void place.append(missing(about, run));
  const views = about.sides.length ? ["grid", "map", "table"] : about.words ? ["words", "map", "table"] : ["table", "map"];
  const state = stated(query, about, views);
  const store = about.sides.length ? new Store(run, about.shape) : null;
  const said = about.labels ? new Words(run) : null;
  const sides = () => (state.of === "both" ? ["encoder", "decoder"] : [state.of]);
  let [order, rate, current, values] = [all(about), null, null, null];

  const view = element("div", { className: "view" });
  const side = peek(run, about, said);
  const above = controls(about, state, views, {
    view: build,
    sides: () => { current.show({ sides: sides() }); keep(); },
    painted: () => { store.repaint(); current.redraw(); look(); keep(); },
    sized: (size) => { state.size = size; current.show({ size }); keep(); },
    asked: refresh,
    csv: () => csv(run, about, order),
    png: () => savePng(`${about.name}-features`, view.querySelector("canvas")),
  });
  place.append(above.node, element("div", { className: "stage" }, view, side.node));

  const look = () => side.show(state.selected, told(about, state), values);
  const lines = (id) => [said?.line(id), ...(values?.lines(id) ?? [])].filter(Boolean);
  const keep = () => remember({
    of: state.of, view: state.view === views[0] ? null : state.view, sort: state.sort, up: state.down ? null : "1",
    where: state.where, size: state.size || null, at: state.selected < 0 ? null : state.selected,
    colours: palette.colours === "grey" ? null : palette.colours, scale: palette.scale === "own" ? null : palette.scale,
  });

  async function refresh() {
    try {
      order = await chosen(run, about, state);
    } catch (error) {
      return above.said(null, error.message);
    }
    await current.show({ order, sort: state.sort });
    values = await telling(run, told(about, state));
    const most = total(about);
    above.said(order.length === most ? `${say(most)} features` : `${say(order.length)} of ${say(most)}`);
    return keep();
  }

  const on = {
    hover(id, event) {
      const tip = document.getElementById("tip");
      tip.hidden = id < 0 || event.pointerType === "touch";
      if (tip.hidden) return;
      said?.want([id]);
      tip.textContent = `feature ${id}\n${lines(id).join("\n")}`;
      tip.style.left = `${Math.min(event.clientX + 16, innerWidth - 250)}px`;
      tip.style.top = `${Math.min(event.clientY + 16, innerHeight - 150)}px`;
    },
    select(id) {
      state.selected = id;
      current.select(id);
      look();
      announce(on.label(id));
      keep();
    },
    open: (id) => { location.hash = `#/${of(run, `feature/${id}`)}`; },
    dim: (id) => rate?.[id] === 0 && state.of !== "null",
    label: (id) => `feature ${id}, ${lines(id).join(", ")}`,
    sort(name) {
      state.down = state.sort === name ? !state.down : true;
      state.sort = name;
      refresh();
    },
  };

  async function build() {
    current?.close();
    if (state.view === "grid") {
      const scroller = element("div", { className: "grid" });
      view.replaceChildren(scroller);
      current = grid(scroller, store, on);
      current.show({ sides: sides() });
      above.sizes.value = state.size || current.fitting(about.features);
      current.show({ size: Number(above.sizes.value) });
    } else if (state.view === "words") current = wordgrid(view, said, on);
    else if (state.view === "map") {
      view.replaceChildren(element("p", { className: "soft" }, "laying features out …"));
      current = await map(view, run, about, on);
    } else current = list(view, run, about.columns, on, said);
    above.sizes.disabled = state.view !== "grid";
    await refresh();
    if (state.selected >= 0) current.select(state.selected, true);
    look();
  }

  function keys(event) {
    if (event.key !== "/" || /INPUT|TEXTAREA|SELECT/.test(document.activeElement.tagName)) return;
    event.preventDefault();
    above.focus();
  }
  addEventListener("keydown", keys);
  column(run, "rate").then((known) => { rate = known; current?.redraw(); });
  await build();
  return () => {
    removeEventListener("keydown", keys);
    current.close();
  };
}

async function csv(run, about, order) {
  if (!frozen) return save(`${about.name}-features.csv`, await text(of(run, "features.csv")), "text/csv");
  const names = Object.keys(about.columns);
  const values = await Promise.all(names.map((name) => column(run, name)));
  return saveCsv(`${about.name}-features`, ["feature", ...names], [...order].map((id) => [id, ...values.map((v) => v[id])]));
}

function missing(about, run) {
  const ended = about.summary.ended !== null;
  const said = ended ? "Nobody has measured its features yet." : "This run has not ended, and nothing is known of its features yet.";
  const go = element("button", { className: "main", onclick: async () => {
    go.disabled = true;
    go.textContent = "measuring …";
    try {
      await act("POST", of(run, "survey"));
      location.reload();
    } catch (error) {
      go.replaceWith(sorry(error));
    }
  } }, "measure them");
  return element("div", { className: "card" }, element("p", {}, said), ended && go,
    element("p", {}, element("a", { href: `#/${of(run, "live")}` }, "look at its training")));
}

// A run while it is trained: filters that grow, curves that go on, findings as they appear.

import { act, ask, bytes, frozen, of, stream } from "./ask.js";
import { announce, card, element, say, settled, sorry, styled, switches } from "./dom.js";
import { Film, growing } from "./growing.js";
import { begun } from "./jobs.js";
import { cursor, plot } from "./plot.js";
import { figure } from "./save.js";

const ENDED = ["finished", "early stop"];
const WORDS = { training: "training", interrupted: "interrupted", finished: "finished", "early stop": "stopped early: held-out samples got no better" };
const percent = (value) => (Number.isFinite(value) ? `${(100 * value).toFixed(1)} %` : "–");

export async function open(place, { run }) {
  const [record] = await Promise.all([ask(of(run, "log")), styled("training.css")]);
  const top = heading(run);
  const charts = curves();
  const found = findings(run);
  const film = frozen ? null : filters(run);
  const gone = element("div");
  place.append(top.node, gone, element("div", { className: "watch" }, film?.node, element("div", {}, top.figures, found.node)), charts.node);

  let log = [];
  const hear = {
    log: (lines) => {
      log = [...log.filter((line) => line.step < lines[0].step), ...lines];
      top.log(log);
      charts.show(log);
    },
    findings: found.show,
    snapshot: (about) => film?.show(about),
    state: top.state,
    error: ({ error }) => gone.replaceChildren(sorry(new Error(error))),
  };
  top.state(record);
  if (record.log.length) hear.log(record.log);
  hear.findings(record.findings);
  if (record.snapshot) hear.snapshot(record.snapshot);
  charts.draw();
  if (frozen || (ENDED.includes(record.state) && !record.findings.so_far)) return film?.close;
  const stop = stream(of(run, `live?after=${log.at(-1)?.step ?? 0}`), (name, data) => hear[name]?.(data), (error) => error && gone.replaceChildren(sorry(error)));
  return () => {
    stop();
    film.close();
  };
}

/** Name, state, progress, buttons; and the figures of the last line. */
function heading(run) {
  const state = element("span", { className: "state", role: "status" });
  const told = element("span", { className: "soft num" });
  const rest = element("span", { className: "soft num" });
  const bar = element("progress", { max: 1, value: 0, "aria-label": "how much of the training is done" });
  const wrong = element("div");
  const stop = element("button", { onclick: () => doing(stop, "Stopping …", () => act("POST", of(run, "stop"), {})) }, "Stop");
  const resume = element("button", { className: "main", onclick: () => doing(resume, "Starting …", async () => begun(await act("POST", of(run, "resume"), {}))) }, "Resume");
  const again = element("a", { className: "button", href: `#/new?run=${encodeURIComponent(run)}` }, "Train it again with changes");
  const look = element("a", { className: "button main", href: `#/${of(run, "features")}` }, "Look at its features");
  const cells = ["explained variance", "features per sample", "dead features", "loss"].map((name) => {
    const value = element("b", {}, "–");
    const below = element("span", { className: "null" });
    return { node: element("li", {}, name, value, below), set: (text, under = "") => { value.textContent = text; below.textContent = under; } };
  });
  let before = null;

  async function doing(button, said, work) {
    const name = button.textContent;
    [button.disabled, button.textContent] = [true, said];
    wrong.replaceChildren();
    try {
      await work();
    } catch (error) {
      [button.disabled, button.textContent] = [false, name];
      wrong.replaceChildren(sorry(error));
    }
  }

  return {
    node: element("header", { className: "training" },
      element("div", { className: "head" }, element("h1", {}, run), state, element("span", { className: "controls" }, frozen ? null : [stop, resume, look, again])),
      element("div", { className: "progress" }, bar, told, rest), wrong),
    figures: element("ul", { className: "tiles" }, cells.map((cell) => cell.node)),
    state(now) {
      const ended = ENDED.includes(now.state);
      state.dataset.is = now.state;
      state.textContent = WORDS[now.state];
      if (before !== null && before !== now.state) announce(`${run}: ${WORDS[now.state]}`);
      if (before === "training" && ended) bar.value = 1;
      before = now.state;
      stop.hidden = now.state !== "training";
      resume.hidden = now.state !== "interrupted";
      look.hidden = !ended;
      rest.hidden = now.state !== "training";
      stop.disabled = !now.ours || now.stopping;
      stop.textContent = now.stopping ? "Stopping …" : "Stop";
      stop.title = now.ours ? "It ends after the step under way, with a checkpoint, and can be resumed." : "Another program trains it: press Ctrl-C there.";
      if (now.state !== "interrupted" || !now.ours) [resume.disabled, resume.textContent] = [false, "Resume"];
      if (now.said) wrong.replaceChildren(sorry(new Error(now.said)));
    },
    log(lines) {
      const line = lines.at(-1);
      const held = lines.findLast((each) => "explained_variance" in each.held_out)?.held_out;
      bar.value = line.step / line.steps;
      rest.textContent = left(lines);
      told.textContent = `step ${say(line.step)} of ${say(line.steps)} · epoch ${say(Number(line.epoch.toPrecision(3)))} · ${time(line.seconds)}`;
      cells[0].set(percent(line.explained_variance), held ? `held out ${percent(held.explained_variance)}` : "of training batches");
      cells[1].set(say(line.l0));
      cells[2].set(say(line.dead));
      cells[3].set(say(line.loss), `learning rate ${say(line.lr)}`);
    },
  };
}

function time(seconds) {
  if (seconds < 100) return `${Math.max(0, seconds).toFixed(seconds < 10 ? 1 : 0)} s`;
  return seconds < 6000 ? `${(seconds / 60).toFixed(1)} min` : `${(seconds / 3600).toFixed(1)} h`;
}

/** How long it still takes, by the pace of the last lines. */
function left(lines) {
  const [line, earlier] = [lines.at(-1), lines.at(-Math.min(lines.length, 12))];
  const pace = (line.seconds - earlier.seconds) / (line.step - earlier.step);
  return line.step < line.steps && pace > 0 ? `about ${time(pace * (line.steps - line.step))} left` : "";
}

/** The filters as they grow, and the checkpoints that were seen to go back to. */
function filters(run) {
  let side = null;
  let about = null;
  let turn = 0;
  let film = new Film();
  const picture = growing("Filters");
  const said = element("span", { className: "soft num" });
  const sides = element("span");
  const back = element("input", { type: "range", min: 0, step: 1, hidden: true, "aria-label": "checkpoint, from the first that was seen", oninput: () => shot(Number(back.value), true) });
  const shape = () => about.shape ?? [1, film.shots[0].levels.length / about.features.length];

  function shot(n, atOnce = false) {
    const { step, levels } = film.shots[n];
    const words = `${side} of ${about.features.length} features at step ${say(step)}${about.shape ? "" : "; a row of boxes for each, a box for each input"}`;
    said.textContent = words;
    back.setAttribute("aria-valuetext", `step ${step}`);
    picture.show(levels, about.features.length, shape(), words, atOnce);
  }

  async function show(next) {
    const fresh = about === null;
    about = next;
    if (fresh) {
      side = about.of.includes("decoder") ? "decoder" : about.of[0];
      if (about.of.length > 1) sides.append(switches("which filters", about.of, side, (name) => { side = name; film = new Film(); show(about); }));
    }
    const mine = ++turn;
    const [step, of_] = [about.step, side];
    const buffer = await bytes(of(run, `live/tiles?of=${of_}`)).catch(() => null);
    if (buffer === null || of_ !== side) return;
    const following = back.hidden || Number(back.value) === Number(back.max);
    film.add(step, new Int8Array(buffer, 4 * about.features.length));
    back.max = film.shots.length - 1;
    back.hidden = film.shots.length < 2;
    if (!following || mine !== turn) return;
    back.value = back.max;
    shot(film.shots.length - 1);
  }

  const node = card("Filters", element("div", { className: "controls" }, sides, back, said), figure(`${run}-filters`, picture.canvas));
  return { node, show, close: picture.close };
}

/** What the rules have found so far. */
function findings(run) {
  const list = element("ol", { className: "found" });
  const lead = element("p", { className: "soft" });
  const known = new Set();
  return {
    node: card("Findings", lead, list),
    show({ so_far, findings: found }) {
      lead.textContent = so_far ? (found.length ? "So far, by the log alone; causes first." : "None so far. The rules look at every line of the log.") : found.length ? "Causes first." : "No rule found anything.";
      for (const { id, said } of found) {
        if (known.size && !known.has(id)) announce(`found: ${said}`);
        known.add(id);
      }
      list.hidden = !found.length;
      list.replaceChildren(...found.map((each) => element("li", {},
        element("span", { className: `light ${each.severity}` }, each.severity), ` ${each.said}. `, element("span", { className: "soft" }, each.fix))));
      if (!so_far && found.length && !frozen) list.append(element("li", { className: "plain" }, element("a", { href: `#/${of(run, "findings")}` }, "causes, numbers and fixes")));
    },
  };
}

/** All curves, drawn anew at most ten times a second. */
function curves() {
  const shared = cursor();
  const losses = plot("Loss of each term, weight × value", { x: "epoch", log: true }, shared);
  const explained = plot("Explained variance", { x: "epoch", format: percent }, shared);
  const counts = plot("Features per sample, dead features", { x: "epoch" }, shared);
  const shares = new Map();
  const grid = element("div", { className: "charts" }, losses.node, explained.node, counts.node);
  let log = [];

  function draw() {
    const xs = log.map((line) => line.epoch);
    const names = log.length ? Object.keys(log.at(-1).terms) : [];
    const of = (name, key) => log.map((line) => line.terms[name]?.[key] ?? NaN);
    losses.show(xs, Object.fromEntries(names.map((name) => [name, of(name, "loss")])));
    for (const group of new Set(log.flatMap((line) => Object.values(line.terms).flatMap((term) => Object.keys(term.share))))) {
      if (!shares.has(group)) {
        shares.set(group, plot(`Share of the gradient, ${group}`, { x: "epoch", stacked: true, format: percent }, shared));
        explained.node.before(shares.get(group).node);
      }
      shares.get(group).show(xs, Object.fromEntries(names.map((name) => [name, log.map((line) => line.terms[name]?.share[group] ?? 0)])));
    }
    const held = log.map((line) => line.held_out.explained_variance ?? NaN);
    explained.show(xs, { "training batches": log.map((line) => line.explained_variance ?? NaN), "held out": held });
    counts.show(xs, { L0: log.map((line) => line.l0 ?? NaN), dead: log.map((line) => line.dead) });
  }
  const soon = settled(100, draw);
  return { node: card("Curves", grid), draw, show: (lines) => { log = lines; soon(); } };
}

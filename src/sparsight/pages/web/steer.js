// Steering: the model that the data come from reads a text, as it is and with features added or clamped.

import { act, ask, column, of } from "./ask.js";
import { announce, card, choice, element, labelled, say, settled, sorry, styled } from "./dom.js";
import { shown } from "./steered.js";
import { latest } from "./values.js";

const AGAIN = 700; // ms between looks at a model that is being loaded
const MOST = 8;
const FIRST = "In the beginning";

/** The features that are steered: "3:by:2.5,7:to:0" in the address, "3" where only the feature is known. */
function read(text, count) {
  return (text ?? "").split(",").filter(Boolean).slice(0, MOST).map((part) => {
    const [feature, how, amount] = part.split(":");
    return { feature: Number(feature), how: how === "to" ? "to" : "by", amount: amount === undefined ? null : Number(amount) };
  }).filter(({ feature }) => Number.isInteger(feature) && feature >= 0 && feature < count);
}

const written = (edits) => edits.map(({ feature, how, amount }) => `${feature}:${how}:${amount}`).join(",");

/** The list of what is done to features; `changed()` after each change. */
function editing(run, about, start, largest, wished, changed) {
  const list = element("ul", { className: "edits", "aria-label": "steered features" });
  const edits = wished.map((edit) => ({ ...edit, amount: Number.isFinite(edit.amount ?? NaN) ? edit.amount : top(edit.feature) }));
  function top(feature) {
    const found = largest?.[feature];
    return found > 0 ? Number(found.toPrecision(3)) : 1;
  }
  const add = element("button", { onclick: () => {
    const used = new Set(edits.map(({ feature }) => feature));
    const free = [...Array(about.features).keys()].find((feature) => !used.has(feature)) ?? 0;
    edits.push({ feature: free, how: "by", amount: top(free) });
    fill();
    changed();
    list.lastChild.querySelector("input").focus();
  } }, "Another feature");

  function row(edit, at) {
    const reach = 4 * top(edit.feature);
    const low = edit.how === "by" ? -reach : 0;
    const slider = element("input", { type: "range", min: low, max: reach, step: "any", value: edit.amount, "aria-label": `how much, feature ${edit.feature}`, oninput: () => set(slider.valueAsNumber, slider) });
    const number = element("input", { type: "number", step: "any", value: edit.amount, "aria-label": `the number, feature ${edit.feature}`, oninput: () => set(number.valueAsNumber, number) });
    function set(value, from) {
      if (!Number.isFinite(value)) return;
      edit.amount = Number(value.toPrecision(3));
      if (from !== slider) slider.value = value;
      if (from !== number) number.value = edit.amount;
      changed();
    }
    const which = element("input", { type: "number", min: 0, max: about.features - 1, step: 1, value: edit.feature, onchange: () => {
      const wanted = which.valueAsNumber;
      if (Number.isInteger(wanted) && wanted >= 0 && wanted < about.features) Object.assign(edit, { feature: wanted, amount: top(wanted) });
      fill();
      changed();
    } });
    const hows = start.transcoder ? [["by", "add"]] : [["by", "add"], ["to", "clamp to"]];
    const how = choice(hows, edit.how, (value) => {
      Object.assign(edit, { how: value, amount: Math.abs(edit.amount) });
      fill();
      changed();
    }, { "aria-label": `what is done to feature ${edit.feature}` });
    return element("li", {},
      element("span", { className: "line" }, labelled("feature", which), labelled("what", how), element("a", { href: `#/${of(run, `feature/${edit.feature}`)}` }, "look at it")),
      element("button", { className: "plain", "aria-label": `leave feature ${edit.feature} alone`, onclick: () => { edits.splice(at, 1); fill(); changed(); } }, "remove"),
      element("span", { className: "slide" }, slider, number),
      largest ? element("span", { className: "soft" }, `its largest code on the data: ${say(largest[edit.feature])}`) : "");
  }
  function fill() {
    list.replaceChildren(...edits.map(row));
    add.disabled = edits.length >= MOST;
  }
  fill();
  return { node: card("Features", list, add), edits };
}

/** Wait until the model is there; `tell(words)` meanwhile. */
async function loaded(run, tell, closed) {
  let state = await ask(of(run, "steer"));
  if (state.state === "absent" || state.state === "failed") Object.assign(state, await act("POST", of(run, "steer/load")));
  while (state.state === "loading" && !closed()) {
    tell(`loading ${state.model} … ${Math.round(state.seconds)} s`);
    await new Promise((done) => setTimeout(done, AGAIN));
    state = await ask(of(run, "steer"));
  }
  if (state.state === "failed") throw new Error(state.said);
  return state;
}

export async function open(place, { run, query, remember }) {
  let closed = false;
  const errors = element("div", { className: "errors" });
  const status = element("p", { className: "card", role: "status" }, "…");
  const [about, start] = await Promise.all([ask(of(run, "about")), ask(of(run, "steer")), styled("steer.css")]);
  place.append(element("h1", {}, "Steer"), element("p", { className: "lead" },
    `${start.model} reads a text twice: as it is, and with features changed in what ${start.at} gives. Adding puts a feature's decoder row everywhere, clamping sets its code.`), errors, status);
  (async () => {
    try {
      const state = { ...start, ...(await loaded(run, (words) => { status.textContent = words; }, () => closed)) };
      if (closed) return;
      const largest = "max" in about.columns ? await column(run, "max") : null;
      status.remove();
      await ground(place, { run, query, remember, about, start: state, largest, errors, closed: () => closed });
      announce("the model is loaded");
    } catch (error) {
      if (!closed) status.replaceWith(sorry(error));
    }
  })();
  return () => { closed = true; };
}

/** The controls and what comes of them, once the model is there. */
function ground(place, { run, query, remember, about, start, largest, errors, closed }) {
  const text = element("textarea", { value: query.get("text") ?? FIRST, maxLength: 4000, spellcheck: false, oninput: settled(500, () => changed()) });
  const more = element("input", { type: "range", min: 0, max: 64, value: Number(query.get("more") ?? 24), oninput: settled(300, () => changed()) });
  const seed = choice([["", "always the likeliest token"], ...[1, 2, 3, 4, 5].map((n) => [n, `drawn, seed ${n}`])], query.get("seed") ?? "", () => changed());
  const wished = read(query.get("features"), about.features);
  const features = editing(run, about, start, largest, wished, () => soon());
  const made = element("div", {}, element("p", { className: "card soft" }, "…"));
  const go = latest(async () => {
    try {
      const edits = features.edits.map(({ feature, how, amount }) => ({ feature, [how]: amount }));
      const found = await act("POST", of(run, "steer"), { text: text.value, edits, more: start.causal ? Number(more.value) : 0, seed: seed.value === "" ? null : Number(seed.value) });
      if (closed()) return;
      errors.replaceChildren();
      made.replaceChildren(...shown(start, found, text.value));
    } catch (error) {
      if (!closed()) errors.replaceChildren(sorry(error));
    }
  }, (busy) => made.classList.toggle("busy", busy));
  function changed() {
    remember({ text: text.value === FIRST ? null : text.value, features: written(features.edits), more: more.value === "24" ? null : more.value, seed: seed.value });
    return go();
  }
  const soon = settled(150, changed);
  place.append(element("div", { className: "ground" },
    element("div", {}, card("Text", labelled("what the model reads", text),
      start.causal ? element("div", { className: "controls" }, labelled("tokens that it writes", more), labelled("how", seed)) : ""), features.node),
    made));
  return go();
}

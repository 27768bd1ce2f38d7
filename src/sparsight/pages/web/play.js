// The playground: a sample goes in, codes and the output follow as it changes.

import { act, ask, of } from "./ask.js";
import { beside } from "./beside.js";
import { chance } from "./chance.js";
import { columns, pasting, row } from "./columns.js";
import { dials } from "./dials.js";
import { announce, card, choice, element, labelled, say, settled, sorry } from "./dom.js";
import { opened, surface } from "./draw.js";
import { remember } from "./main.js";
import { BARS, plate, ranged } from "./plates.js";
import { steps } from "./steps.js";
import { examples, tools } from "./tools.js";
import { latest, numbers, packed, percent } from "./values.js";

const COUNTS = [12, 24, 48, 96];

/** The style of this page, loaded before it is shown. */
async function styled() {
  if (document.querySelector('link[href="play.css"]')) return;
  const link = element("link", { rel: "stylesheet", href: "play.css" });
  const loaded = new Promise((done) => link.addEventListener("load", done, { once: true }));
  document.head.append(link);
  await loaded;
}

/** `12:0.5,30:0` in an address: the codes that are set. */
function edited(text) {
  const pairs = (text ?? "").split(",").map((pair) => pair.split(":").map(Number));
  return new Map(pairs.filter(([feature, value]) => Number.isInteger(feature) && Number.isFinite(value)));
}

export async function open(place, { run, query }) {
  const [answered] = await Promise.all([ask(of(run, "play")), styled()]);
  const start = { ...answered, inputs: ranged(answered.inputs), outputs: ranged(answered.outputs) };
  const edits = edited(query.get("edits"));
  const errors = element("div", { className: "errors" });
  const wrong = (error) => errors.replaceChildren(sorry(error));
  let id = null;
  const usual = innerWidth < 700 ? 12 : 24;
  let most = COUNTS.includes(Number(query.get("most"))) ? Number(query.get("most")) : usual;
  let other = null;
  let quiet = false;
  let closed = false;

  // ---- what goes in ----
  const drawn = start.inputs.shape !== null;
  const input = drawn ? surface({ ...start.inputs, paper: start.paper }, changed) : columns(start.inputs, changed);
  const sample = () => (id === null ? { sample: packed(input.values()) } : { id });

  function changed(done) {
    if (quiet) return;
    if (id !== null) {
      id = null;
      chosen.chose(null);
      remember({ sample: null });
    }
    go();
    other?.renew();
    if (done) built.renew();
  }

  function take(number) {
    id = number;
    chosen.chose(id);
    remember({ sample: id });
    go().then(() => { other?.renew(); built.renew(); });
  }

  async function takeFile(file) {
    try {
      if (!drawn || !file.type.startsWith("image/")) input.set(row(await file.text(), start.inputs.count));
      else {
        const { values, inverted } = await opened(file, { ...start.inputs, paper: start.paper });
        input.set(values);
        announce(inverted ? "the picture is taken, light for dark as samples are" : "the picture is taken");
      }
    } catch (error) {
      wrong(error);
    }
  }

  // ---- what comes out ----
  const after = plate(start.outputs, "what the model makes of it");
  const before = start.outputs.shape && plate(start.outputs, "without what you set");
  const off = start.outputs.shape && plate(start.outputs, "what is too much and too little");
  const named = (name, inner) => element("figure", {}, inner, element("figcaption", {}, name));
  const made = element("div", { className: "made" }, after.node,
    off && element("div", { className: "rest" }, named("without what you set", before.node), named("too much (red), too little (blue)", off.node)));
  const said = element("p", { className: "said num" });
  const features = dials(run, start, { edits, edit, light: (row) => after.light?.(row) });
  const tell = settled(900, () => announce(said.textContent));

  const go = latest(async () => {
    let answer;
    try {
      answer = await act("POST", of(run, "play"), { ...sample(), edits: Object.fromEntries(edits), most });
    } catch (error) {
      if (!closed) wrong(error);
      return;
    }
    if (!closed) show(answer);
  }, (busy) => made.setAttribute("aria-busy", String(busy)));

  function show(answer) {
    errors.replaceChildren();
    if (id !== null) {
      quiet = true;
      input.set(numbers(answer.sample));
      quiet = false;
    }
    const [recon, output] = [numbers(answer.recon), numbers(answer.edited)];
    const target = answer.target === null ? null : numbers(answer.target);
    if (off) {
      after.show(output);
      off.node.parentNode.hidden = target === null;
      if (target) off.differ(output, target);
      before.node.parentNode.hidden = edits.size === 0;
      before.show(recon);
    } else after.show(output, target);
    const parts = [`${say(answer.fires)} of ${say(start.features)} features fire`];
    if (answer.explained !== null) parts.unshift(`${percent(answer.explained)} explained`);
    if (edits.size && answer.edited_explained !== null) parts.push(`${percent(answer.edited_explained)} with what you set`);
    said.textContent = parts.join(", ");
    features.show(answer, !input.drawing());
    reset.disabled = edits.size === 0;
    reset.textContent = edits.size ? `Undo ${edits.size} edit${edits.size > 1 ? "s" : ""}` : "No edits";
    tell();
    shownLast = answer;
  }
  let shownLast = null;

  function edit(feature, value) {
    if (value === null) edits.delete(feature);
    else edits.set(feature, value);
    keep();
    go();
  }

  const keep = settled(250, () => remember({ edits: [...edits].map(([feature, value]) => `${feature}:${+value.toPrecision(4)}`).join(",") }));
  const reset = element("button", { onclick: () => { edits.clear(); keep(); go(); } }, "No edits");
  const ablate = element("button", {
    title: "set every feature that is listed to 0",
    onclick: () => {
      for (const feature of shownLast?.features ?? []) edits.set(feature, 0);
      keep();
      go();
    },
  }, "All off");
  const which = element("input", { type: "number", min: 0, max: start.features - 1, step: 1, placeholder: `0 to ${start.features - 1}` });
  async function insert(feature) {
    if (!Number.isInteger(feature)) return which.focus();
    which.value = feature;
    edits.set(feature, start.bounds[1] ?? 1);
    await go();
    const largest = shownLast?.largest?.[shownLast.features.indexOf(feature)];
    if (largest && edits.get(feature) === 1 && start.bounds[1] === null) edits.set(feature, largest);
    keep();
    return go();
  }
  which.addEventListener("keydown", (event) => { if (event.key === "Enter") insert(which.valueAsNumber); });

  // ---- the page ----
  const built = steps(run, start, sample, wrong);
  const chosen = await examples(run, start, take);
  const generated = chance(run, start, {
    seed: query.get("seed"),
    label: query.get("label"),
    drawn: (seed, label) => remember({ seed, label }),
    take: start.outputs.count === start.inputs.count ? (values) => { input.set(values); scrollTo({ top: 0, behavior: matchMedia("(prefers-reduced-motion: reduce)").matches ? "auto" : "smooth" }); } : null,
    wrong,
  });
  const second = element("div", { className: "second" });
  async function compare(key) {
    remember({ beside: key });
    second.replaceChildren();
    other = null;
    if (!key) return;
    try {
      other = await beside(key, input.values, wrong);
      second.replaceChildren(other.node);
      await other.renew();
    } catch (error) {
      wrong(error);
    }
  }
  const wished = start.beside.includes(query.get("beside")) ? query.get("beside") : "";
  place.append(
    element("div", { className: "controls head" }, element("h1", {}, "Playground"),
      start.beside.length > 0 && labelled("beside it", choice([["", "no other run"], ...start.beside.map((key) => [key, key])], wished, compare))),
    errors,
    element("div", { className: "ground" },
      card(drawn ? "Draw" : "A sample", input.node,
        drawn ? tools(input, start.inputs, start.paper, takeFile) : element("div", { className: "controls" }, element("button", { onclick: input.clear }, "All at their mean")),
        pasting(start.inputs.count, input.set, wrong)),
      card("What the model makes of it",
        made,
        said,
        !off && element("p", { className: "soft" }, start.outputs.count > BARS ? "The soft line is what should come out." : "Bars go from the mean of the data to the output; the tick is what should come out.")),
      card("Samples of the data", chosen.node),
      second,
      card("Active features",
        element("div", { className: "controls" }, reset, ablate,
          element("span", { className: "insert" }, labelled("insert feature", which), element("button", { onclick: () => insert(which.valueAsNumber) }, "Insert"),
            element("button", { title: "insert one at random", onclick: () => insert(Math.floor(Math.random() * start.features)) }, "Any")),
          labelled("listed", choice(COUNTS.map((n) => [n, n]), most, (n) => { most = Number(n); remember({ most: most === usual ? null : n }); go(); }))),
        features.node)),
    built.node,
    generated,
  );
  function pasted(event) {
    if (event.target.closest?.("input, textarea")) return;
    const file = [...event.clipboardData.files][0];
    if (file) takeFile(file);
    else takeFile(new File([event.clipboardData.getData("text")], "row"));
    event.preventDefault();
  }
  const dropped = (event) => {
    event.preventDefault();
    if (event.type === "drop" && event.dataTransfer.files[0]) takeFile(event.dataTransfer.files[0]);
  };
  document.addEventListener("paste", pasted);
  for (const name of ["dragover", "drop"]) document.addEventListener(name, dropped);

  if (query.has("sample")) take(Number(query.get("sample")));
  else if (drawn) go();
  else take(start.examples[0]);
  if (wished) compare(wished);
  return () => {
    closed = true;
    built.close();
    document.removeEventListener("paste", pasted);
    for (const name of ["dragover", "drop"]) document.removeEventListener(name, dropped);
  };
}

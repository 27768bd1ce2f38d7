// A training as a form: a recipe, and what is changed of it. Every field comes from the schema.

import { act, ask, of } from "./ask.js";
import { announce, card, choice, element, labelled, settled, sorry, styled } from "./dom.js";
import { field } from "./fields.js";
import { begun } from "./jobs.js";

const OFTEN = ["epochs", "batch_size", "lr", "hold_out"]; // of the training; the others are one click away
const LISTS = [["preprocess", "preprocess", "Changes of raw samples, fitted once and saved with the model."], ["augmentations", "augmentation", "Changes of samples, input and target alike, in training."]];
const OPTIONAL = [["corruption", "corruption", "Noise on what the encoder sees, in training only."], ["initialisation", "initialisation", "Where training starts, in place of the architecture's."], ["error", "term", "The error of the reconstruction, in place of the architecture's."]];
const OF_ARCHITECTURE = ["error", "output", "initialisation"]; // what another architecture has of its own

const dotted = (path) => path.map((key) => (/^\w+$/.test(key) ? key : JSON.stringify(key))).join(".");
const named = (spec) => (typeof spec === "string" ? { name: spec } : spec);
const at = (node, path) => path.reduce((inner, key) => inner?.[key], node);

export async function open(place, { query, remember }) {
  const [known] = await Promise.all([ask("form"), styled("training.css")]);
  const main = element("div");
  const side = aside(known, start);
  const chosen = query.get("run") ? `run ${query.get("run")}` : (query.get("recipe") ?? "strokes");
  const about = element("p", { className: "soft" });
  const names = known.recipes.map((recipe) => recipe.name);
  const from = choice([...(query.get("run") ? [[chosen, chosen]] : []), ...names], chosen, (name) => begin(name));
  place.append(
    element("h1", {}, "Train"),
    element("p", { className: "lead" }, "Choose a recipe and data, change what you like, and watch it learn."),
    element("div", { className: "form" },
      element("div", {}, card("Recipe and data", element("div", { className: "choices" }, labelled("start from", from), side.data), about), main), side.node));

  let given = {}; // the recipe as it is written, with the changes
  let fields = []; // [path, field]
  let last = null; // the field that was changed last: what is wrong is most likely there
  let turn = 0;
  const unfolded = new Set();

  async function begin(name) {
    const run = name.startsWith("run ") ? name.slice(4) : null;
    remember(run ? { run, recipe: null } : { recipe: name, run: null });
    const path = run ? of(run, "recipe") : `form/${encodeURIComponent(name)}`;
    try {
      given = tidy((await ask(path)).given);
    } catch (error) {
      return side.wrong(error);
    }
    about.textContent = known.recipes.find((recipe) => recipe.name === given.name)?.summary ?? given.summary ?? "";
    side.begin(given);
    await check(true);
  }

  /** Have the recipe completed and checked, and show what came out; all anew where parts came or went. */
  async function check(anew = false) {
    const mine = ++turn;
    try {
      const { completed, changes } = await act("POST", "form", side.asked(given));
      if (mine !== turn) return;
      if (anew) build(completed);
      for (const [path, one] of fields) {
        one.show(at(completed, path));
        one.changed(changes !== null && dotted(path) in changes);
        one.wrong(null);
      }
      side.right(changes);
    } catch (error) {
      if (mine !== turn) return;
      if (last !== null) last.wrong(error.message);
      side.wrong(error);
    }
  }
  const soon = settled(250, check);

  function set(path, value, anew = false) {
    let node = given;
    for (const key of path.slice(0, -1)) node = node[key] ??= {};
    const key = path.at(-1);
    if (value === undefined) delete node[key];
    else node[key] = value;
    if (anew) check(true);
    else soon();
  }

  function one(path, schema, name = path.at(-1)) {
    const made = field(name, schema, (value) => { last = made; set(path, value); });
    fields.push([path, made]);
    return made.node;
  }

  /** The knobs of a part, which is at a path of the recipe. */
  function knobs(kind, name, path) {
    const properties = known.parts[kind][name]?.schema.properties ?? {};
    return [element("p", { className: "soft" }, known.parts[kind][name]?.about),
      Object.keys(properties).length ? element("div", { className: "fields" }, Object.entries(properties).map(([knob, schema]) => one([...path, knob], schema))) : null];
  }

  const remove = (kind, name, work) => element("button", { "aria-label": `Remove the ${kind} ${name}`, data: { key: kind }, onclick: work }, "Remove");

  /** A card that is open or closed as it was before. */
  function folded(title, said, ...inner) {
    const made = element("details", { className: "card", open: unfolded.has(title), ontoggle: () => (made.open ? unfolded.add(title) : unfolded.delete(title)) },
      element("summary", {}, element("h2", {}, title), " ", element("span", { className: "soft" }, said)), ...inner);
    return made;
  }

  function build(full) {
    const focused = document.activeElement?.dataset.key;
    [fields, last] = [[], null];
    const { properties, $defs } = known.schema;
    const train = $defs.TrainConfig.properties;
    const rest = Object.keys(train).filter((key) => !OFTEN.includes(key));
    const timing = (keys) => element("div", { className: "fields" }, keys.map((key) => one(["train", key], train[key])));
    main.replaceChildren(
      card("Model",
        element("div", { className: "fields" }, one(["n_latents"], { ...properties.n_latents, description: "How many features it has." }),
          labelled("architecture", choice(Object.keys(known.parts.architecture), full.architecture.name, (name) => {
            if (from.value.startsWith("run ")) for (const key of OF_ARCHITECTURE) delete given[key];
            set(["architecture"], { name }, true);
          }, { data: { key: "architecture" } }), "field")),
        element("div", { className: "part" }, knobs("architecture", full.architecture.name, ["architecture"]))),
      aims(full),
      card("Training", timing(OFTEN), element("details", {}, element("summary", {}, "optimiser, schedule, logging"), timing(rest))),
      terms(full),
      folded("Samples", [...full.preprocess, ...full.augmentations, full.corruption].filter(Boolean).map((spec) => spec.name).join(", "), ...LISTS.map(([key, kind, said]) => list(full, key, kind, said)), ...OPTIONAL.slice(0, 1).map((each) => optional(...each))),
      folded("Start and seeds", `${full.initialisation.name}, seed ${full.seed}`,
        element("div", { className: "fields" }, one(["seed"], properties.seed), one(["data_seed"], properties.data_seed), one(["output"], properties.output)),
        ...OPTIONAL.slice(1).map((each) => optional(...each))));
    if (focused) main.querySelector(`[data-key="${CSS.escape(focused)}"]`)?.focus();
  }

  function aims(full) {
    const [measure, value] = Object.entries(full.aim ?? {})[0] ?? ["", null];
    const box = element("input", { type: "number", step: "any", min: 0, value: value ?? "", oninput: () => { if (box.value) set(["aim"], { [select.value]: Number(box.value) }); } });
    const usual = { l0: 20, mean_activity: 0.1, explained_variance: 0.9 };
    const select = choice([["", "none: the knobs as they are"], ...known.aims], measure, (name) => set(["aim"], name ? { [name]: usual[name] ?? 1 } : null, true), { data: { key: "aim" } });
    return card("Aim", element("p", { className: "soft" }, "What the codes should be like, in place of how hard to push: the architecture's knob is turned during training until they are."),
      element("div", { className: "choices" }, labelled("measure", select), measure && labelled("is", box)));
  }

  function terms(full) {
    const shown = Object.entries(full.terms).map(([key, spec]) => {
      const drop = () => { delete given.terms[key]; check(true); };
      return element("div", { className: "part" }, element("div", { className: "choices" }, element("h3", {}, key), remove("term", key, drop)), knobs("term", spec.name, ["terms", key]));
    });
    const add = adding("term", (name) => {
      let key = name;
      for (let n = 2; key in full.terms; n++) key = `${name}.${n}`;
      set(["terms", key], {}, true);
    });
    return card("Terms of the loss", element("p", { className: "soft" }, "Beside the error and what the architecture brings along."), ...shown, add);
  }

  function list(full, key, kind, said) {
    const shown = full[key].map((spec, n) => element("div", { className: "part" },
      element("div", { className: "choices" }, element("h3", {}, spec.name), remove(kind, spec.name, () => { given[key].splice(n, 1); check(true); })),
      knobs(kind, spec.name, [key, n])));
    return element("div", {}, element("h3", {}, key), element("p", { className: "soft" }, said), shown, adding(kind, (name) => { (given[key] ??= []).push({ name }); check(true); }));
  }

  /** A part that the recipe may have or not. */
  function optional(key, kind, said) {
    const spec = given[key] ?? null;
    const select = choice([["", "as usual"], ...Object.keys(known.parts[kind])], spec?.name ?? "", (name) => set([key], name ? { name } : null, true), { data: { key } });
    return element("div", { className: "part" }, element("div", { className: "choices" }, labelled(key, select), element("span", { className: "soft" }, said)), spec && knobs(kind, spec.name, [key]));
  }

  function adding(kind, add) {
    const select = choice([["", `add one …`], ...Object.keys(known.parts[kind])], "", (name) => name && add(name), { "aria-label": `add a part: ${kind}`, data: { key: kind } });
    return element("div", { className: "choices" }, select);
  }

  async function start() {
    const job = await act("POST", "jobs", side.asked(given));
    const run = await begun(job);
    announce(`${run} is being trained`);
    location.hash = `#/${of(run, "live")}`;
  }

  side.heard(() => soon());
  await begin(chosen);
}

/** A value in few words: parts by their names. */
function worded(value) {
  if (value === null) return "none";
  if (Array.isArray(value)) return `[${value.map(worded).join(", ")}]`;
  if (typeof value !== "object") return String(value);
  return value.name ?? Object.entries(value).map(([key, inner]) => `${key} ${worded(inner)}`).join(", ");
}

/** A recipe in which every part is a table. */
function tidy(recipe) {
  const parts = Object.fromEntries(["architecture", "corruption", "initialisation", "error"].filter((key) => recipe[key]).map((key) => [key, named(recipe[key])]));
  const lists = Object.fromEntries(["preprocess", "augmentations"].map((key) => [key, (recipe[key] ?? []).map(named)]));
  return structuredClone({ ...recipe, ...parts, ...lists });
}

/** What is asked for besides the recipe, what differs from it, what is wrong, and the button. */
function aside(known, start) {
  let own = null; // the data that the recipe names
  let hear = () => {};
  const data = element("input", { type: "text", spellcheck: false, autocomplete: "off", placeholder: "digits, or a path", oninput: () => hear() });
  data.setAttribute("list", "data");
  const name = element("input", { type: "text", spellcheck: false, autocomplete: "off", maxLength: 80 });
  const list = element("ul", { className: "changes" });
  const wrong = element("div");
  const said = element("p", { className: "soft", role: "status", hidden: true });
  const button = element("button", { className: "main", onclick: async () => {
    button.disabled = true;
    said.hidden = false;
    said.textContent = "Starting: data are read, the model is made …";
    wrong.replaceChildren();
    try {
      await start();
    } catch (error) {
      show(error);
    }
    said.hidden = true;
    button.disabled = false;
  } }, "Start training");

  function show(error) {
    wrong.replaceChildren(sorry(error));
  }

  return {
    data: [labelled("data", data), element("datalist", { id: "data" }, known.data.map((each) => element("option", { value: each }))),
      element("span", { className: "soft" }, "a name, a file (.npy, .npz, .safetensors, .csv, .parquet, .h5ad, MNIST's idx), a folder of pictures, or a run, whose codes are taken")],
    node: element("aside", {}, card("What differs", list, labelled("name of the run", name), wrong, said, element("div", { className: "controls" }, button))),
    heard: (listener) => { hear = listener; },
    begin(recipe) {
      own = recipe.source ? named(recipe.source) : null;
      data.value = own === null ? "digits" : (own.path ?? own.run ?? own.name);
      data.dataset.own = data.value;
      name.placeholder = recipe.name;
    },
    /** The body of a question; data that were not touched are those of the recipe, with all their knobs. */
    asked(recipe) {
      const kept = own !== null && data.value === data.dataset.own;
      return { recipe: { ...recipe, source: kept ? own : null }, source: kept ? null : data.value.trim() || null, name: name.value.trim() || null };
    },
    right(changes) {
      wrong.replaceChildren();
      button.disabled = false;
      if (changes === null) return void list.replaceChildren(element("li", { className: "soft" }, "This recipe is none of those that ship."));
      const lines = Object.entries(changes).map(([key, { recipe, here }]) => element("li", {}, element("code", {}, key), ` ${worded(here)} `, element("span", { className: "soft" }, `was ${worded(recipe)}`)));
      list.replaceChildren(...(lines.length ? lines : [element("li", { className: "soft" }, "Nothing: it is the recipe as it ships.")]));
    },
    wrong(error) {
      show(error);
      button.disabled = true;
    },
  };
}

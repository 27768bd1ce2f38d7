// The playground: a sample goes in, codes and the output follow as it changes.

import { act, ask, of } from "./ask.js";
import { encoded } from "./base64.js";
import { beside } from "./beside.js";
import { chance } from "./chance.js";
import { columns, pasting, row } from "./columns.js";
import { cells, hint, text } from "./contexts.js";
import { announce, card, choice, element, labelled, sorry, styled } from "./dom.js";
import { opened, surface } from "./draw.js";
import { editing } from "./editing.js";
import { outcome } from "./outcome.js";
import { ranged } from "./plates.js";
import { steps } from "./steps.js";
import { arrivals, examples, tools } from "./tools.js";
import { afterwards, latest, numbers } from "./values.js";

/**
 * The sample that is played with: one of the data, or what was drawn, typed or taken from a file.
 *
 * @param {object} start what the playground began with
 * @param {(done: boolean, left: boolean) => void} changed it is another; `done`: and stays so for now; `left`: until
 *   now it was one of the data
 * @param {(error: Error) => void} wrong
 */
function sampled(start, changed, wrong) {
  const like = { ...start.inputs, paper: start.paper };
  const drawn = start.inputs.shape !== null;
  let id = null;
  let quiet = false;
  const own = (done) => {
    if (quiet) return;
    const left = id !== null;
    id = null;
    changed(done, left);
  };
  const input = drawn ? surface(like, own) : columns(like, own);

  async function takeFile(file) {
    try {
      if (!drawn || !file.type.startsWith("image/")) return input.set(row(await file.text(), like.count));
      const { values, inverted } = await opened(file, like);
      announce(inverted ? "the picture is taken, light for dark as samples are" : "the picture is taken");
      return input.set(values);
    } catch (error) {
      return wrong(error);
    }
  }

  const clear = element("div", { className: "controls" }, element("button", { onclick: () => input.clear() }, "All at their mean"));
  return {
    drawn,
    node: card(drawn ? "Draw" : "A sample", input.node, drawn ? tools(input, like, start.paper, takeFile) : clear, pasting(like.count, input.set, wrong)),
    takeFile,
    set: input.set,
    values: input.values,
    drawing: input.drawing,
    take(number) {
      id = number;
    },
    asked: () => (id === null ? { sample: encoded(input.values()) } : { id }),
    /** What an answer says that the sample of this number is. */
    show(answer) {
      if (id === null) return;
      quiet = true;
      input.set(numbers(answer.sample));
      quiet = false;
    },
  };
}

/** A place for another run. */
function second(start, values, wrong, remember) {
  const node = element("div", { className: "second" });
  let other = null;
  return {
    node,
    renew: () => other?.renew(),
    async choose(key) {
      remember({ beside: key });
      node.replaceChildren();
      other = null;
      if (!key) return;
      try {
        other = await beside(key, values, wrong);
        node.replaceChildren(other.node);
        await other.renew();
      } catch (error) {
        wrong(error);
      }
    },
  };
}

export async function open(place, { run, query, remember }) {
  const [answered] = await Promise.all([ask(of(run, "play")), styled("play.css")]);
  const start = { ...answered, inputs: ranged(answered.inputs), outputs: ranged(answered.outputs) };
  const errors = element("div", { className: "errors" });
  const around = element("section", { className: "card around", hidden: true });
  let closed = false;
  const wrong = (error) => { if (!closed) errors.replaceChildren(sorry(error)); };

  const sample = sampled(start, changed, wrong);
  const made = outcome(start);
  let working = false;
  const rest = afterwards(() => made.busy(working));
  const go = latest(async () => {
    try {
      const answer = await act("POST", of(run, "play"), { ...sample.asked(), ...edits.asked() });
      if (closed) return;
      errors.replaceChildren();
      sample.show(answer);
      stand(answer.context);
      made.show(answer, edits.any);
      edits.show(answer, !sample.drawing());
    } catch (error) {
      wrong(error);
    }
  }, (busy) => {
    working = busy;
    if (busy) made.busy(true);
    else rest();
  });
  const edits = editing(run, start, query, { changed: go, light: made.light, remember });
  const other = second(start, sample.values, wrong, remember);
  const built = steps(run, start, sample.asked, wrong);
  const chosen = await examples(run, start, take);

  /** Show what the sample is a part of; its other parts are a click away. */
  function stand(context) {
    around.hidden = !context;
    if (!context) return;
    const choose = (n) => { if (context.ids[n] >= 0 && n !== context.here) take(context.ids[n]); };
    const node = context.grid ? cells(run, context, 0, choose).node : text(context, 0, choose);
    around.replaceChildren(element("h2", {}, "Where it stands"), node, element("p", { className: "soft origin", dir: "auto" }, context.origin));
  }

  function changed(done, left) {
    if (left) {
      chosen.chose(null);
      remember({ sample: null });
    }
    go();
    other.renew();
    if (done) built.renew();
  }

  async function take(id) {
    sample.take(id);
    chosen.chose(id);
    remember({ sample: id });
    await go();
    other.renew();
    built.renew();
  }

  function takeValues(values) {
    sample.set(values);
    scrollTo({ top: 0, behavior: matchMedia("(prefers-reduced-motion: reduce)").matches ? "auto" : "smooth" });
  }
  const generated = chance(run, start, {
    seed: query.get("seed"),
    label: query.get("label"),
    drawn: (seed, label) => remember({ seed, label }),
    take: start.outputs.count === start.inputs.count ? takeValues : null,
    wrong,
  });

  const wished = start.beside.includes(query.get("beside")) ? query.get("beside") : "";
  const runs = choice([["", "no other run"], ...start.beside.map((key) => [key, key])], wished, other.choose);
  place.append(
    element("div", { className: "controls head" }, element("h1", {}, "Playground"), start.beside.length > 0 && labelled("beside it", runs)),
    errors,
    around,
    element("div", { className: "ground" }, sample.node, made.node, card("Samples of the data", chosen.node), other.node, edits.node),
    built.node,
    generated,
  );
  const deaf = arrivals(sample.takeFile);
  if (query.has("sample") || !sample.drawn) take(Number(query.get("sample") ?? start.examples[0]));
  else go();
  if (wished) other.choose(wished);
  return () => {
    closed = true;
    hint(null);
    built.close();
    deaf();
  };
}

// Which features a page shows, in which order, and what it tells of them.

import { column } from "./ask.js";
import { say } from "./dom.js";
import { everything, sorted } from "./order.js";
import { meaning, parse } from "./where.js";

const TOLD = ["rate", "mean_firing", "max", "label_score", "purity"];

/** Every feature that can be shown. */
export const all = (about) => (about.shown ? Uint32Array.from(about.shown) : everything(about.features));

/** How many they are. */
export const total = (about) => about.shown?.length ?? about.features;

/** The side that measures without one are of. */
export const sided = (state) => (state.of === "encoder" ? "encoder" : "decoder");

/** Features that fit `state.where`, in the order of `state.sort`; an error says what is wrong with the words. */
export async function chosen(run, about, state) {
  let kept = all(about);
  if (state.where.trim()) {
    const { names, test } = parse(state.where, meaning(about.columns, sided(state)));
    const known = names.filter((name) => name !== "feature");
    const values = await Promise.all(known.map((name) => column(run, name)));
    kept = kept.filter(test(Object.fromEntries(known.map((name, n) => [name, values[n]]))));
  }
  if (state.sort !== "feature") return sorted(kept, await column(run, state.sort), state.down);
  return state.down ? kept.reverse() : kept;
}

/** Names of the measures that are told of a feature at a glance. */
export function told(about, state) {
  const names = [...TOLD, `${sided(state)}.moran`, state.sort];
  return [...new Set(names)].filter((name) => name in about.columns);
}

/** Those measures by name; `lines(id)` has them in words. */
export async function telling(run, names) {
  const values = await Promise.all(names.map((name) => column(run, name)));
  return {
    of: (name, id) => values[names.indexOf(name)]?.[id],
    lines: (id) => names.map((name, n) => `${name}: ${say(values[n][id])}`),
  };
}

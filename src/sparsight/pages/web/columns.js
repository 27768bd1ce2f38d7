// A sample that is no picture: a control for each column, where there are not too many, and rows that are pasted.

import { element, labelled } from "./dom.js";

const CONTROLS = 300;

/** The numbers in a text, which must be as many as a sample has. */
export function row(text, count) {
  const words = text.trim().split(/[\s,;]+/).filter(Boolean);
  const values = Float32Array.from(words, Number);
  const wrong = values.findIndex((value) => !Number.isFinite(value));
  if (wrong >= 0) throw new Error(`“${words[wrong].slice(0, 20)}” is no number`);
  if (values.length !== count) throw new Error(`here are ${values.length} numbers, and a sample has ${count}`);
  return values;
}

/** Somewhere to paste a row of numbers; `take(values)` gets it, `wrong(error)` hears why not. */
export function pasting(count, take, wrong) {
  const box = element("textarea", { rows: 2, spellcheck: false, placeholder: "0.1, 0.5, …" });
  const use = () => {
    try {
      take(row(box.value, count));
    } catch (error) {
      wrong(error);
    }
  };
  return element("details", { className: "pasting" },
    element("summary", {}, `Paste a row of ${count.toLocaleString("en")} numbers`),
    labelled("numbers with commas, spaces or tabs between them", box),
    element("button", { onclick: use }, "Take them"));
}

/**
 * Controls for the columns of a sample.
 *
 * @param {object} like `count`, `names`, `lows`, `highs` and `mean`, which is where it starts
 * @param {(done: boolean) => void} changed
 */
export function columns({ count, names, lows, highs, mean }, changed) {
  const values = Float32Array.from(mean);
  const rows = count > CONTROLS ? [] : Array.from({ length: count }, (_, n) => {
    const name = names?.[n] ?? `input ${n}`;
    const range = element("input", { type: "range", min: lows[n], max: highs[n], step: "any", value: values[n], "aria-label": name });
    const number = element("input", { type: "number", step: "any", value: +values[n].toPrecision(4), "aria-label": `${name}, exactly` });
    const take = (value, other) => {
      if (!Number.isFinite(value)) return;
      values[n] = value;
      other.value = other === number ? +value.toPrecision(4) : value;
      changed(false);
    };
    range.addEventListener("input", () => take(range.valueAsNumber, number));
    number.addEventListener("input", () => take(number.valueAsNumber, range));
    for (const control of [range, number]) control.addEventListener("change", () => changed(true));
    return { range, number, node: element("div", { className: "column" }, element("span", { title: name }, name), range, number) };
  });
  const node = element("div", { className: "columns" }, rows.length
    ? rows.map((one) => one.node)
    : element("p", { className: "soft" }, `A sample has ${count.toLocaleString("en")} columns, which is too many for controls: paste a row, or take one of the data.`));

  function set(given) {
    values.set(given);
    rows.forEach(({ range, number }, n) => {
      range.value = values[n];
      number.value = +values[n].toPrecision(4);
    });
    changed(true);
  }
  return { node, set, values: () => values, drawing: () => false, clear: () => set(mean) };
}

// What one draws with, and where samples come from.

import { samples } from "./ask.js";
import { element, labelled, switches } from "./dom.js";
import { sampleCanvas } from "./paint.js";

/** The buttons beside a surface. `take(file)` gets a picture from a file. */
export function tools(drawing, { shape, low, high }, paper, take) {
  const button = (name, act, title) => element("button", { onclick: act, title }, name);
  const [radius, most] = [drawing.tool.radius, Math.max(3, Math.min(shape[0], shape[1]) / 5)];
  const size = element("input", { type: "range", min: 0.5, max: most, step: 0.05, value: radius, oninput: () => { drawing.tool.radius = size.valueAsNumber; } });
  const file = element("input", { type: "file", accept: "image/*", className: "unseen", "aria-label": "open a picture", onchange: () => { if (file.files[0]) take(file.files[0]); file.value = ""; } });
  return element("div", { className: "tools" },
    inks(drawing, shape, low, high, paper),
    labelled("brush", size, "grow"),
    element("span", { className: "acts" },
      button("Undo", drawing.undo, "Ctrl Z"),
      button("Redo", drawing.redo, "Ctrl Shift Z"),
      button("Clear", drawing.clear, "Delete"),
      button("Centre", drawing.centre, "move the drawing's centre of mass to the middle"),
      button("Invert", drawing.invert, "light becomes dark"),
      element("label", { className: "button" }, "Picture …", file)));
}

/** Ink, or two where samples are drawn on a middling paper, or any colour; and what takes it away. */
function inks(drawing, shape, low, high, paper) {
  const span = high - low;
  const grey = (value) => Array(3).fill(value);
  const use = (ink) => Object.assign(drawing.tool, { erase: ink === null, ...(ink && { ink }) });
  if ((shape[2] ?? 1) >= 3) {
    const colour = element("input", { type: "color", value: "#d04020" });
    const chosen = () => [1, 3, 5].map((at) => low + (span * parseInt(colour.value.slice(at, at + 2), 16)) / 255);
    colour.addEventListener("input", () => use(chosen()));
    use(chosen());
    return element("span", { className: "acts" }, labelled("colour", colour), switches("tool", ["draw", "erase"], "draw", (tool) => use(tool === "erase" ? null : chosen())));
  }
  if (Math.min(paper - low, high - paper) > 0.1 * span) {
    const kinds = { light: grey(high), dark: grey(low), erase: null };
    return switches("tool", Object.keys(kinds), kinds.light[0] === drawing.tool.ink[0] ? "light" : "dark", (tool) => use(kinds[tool]));
  }
  const ink = drawing.tool.ink;
  return switches("tool", ["draw", "erase"], "draw", (tool) => use(tool === "draw" ? ink : null));
}

/** Samples of the data to play with; `take(id)`. */
export async function examples(run, { inputs, examples: ids, labels, samples: count }, take) {
  const found = inputs.shape ? await samples(run, ids) : null;
  const called = (id, n) => `sample ${id}${labels?.[n] ? `, ${labels[n]}` : ""}`;
  const picture = (n) => sampleCanvas(found.levels.subarray(n * inputs.count, (n + 1) * inputs.count), inputs.shape);
  const buttons = ids.map((id, n) => element("button", { "aria-label": called(id, n), title: called(id, n), tabIndex: n ? -1 : 0, onclick: () => take(id) }, found ? picture(n) : called(id, n)));
  const list = element("div", { className: "examples", role: "group", "aria-label": "samples; arrow keys move between them" }, buttons);
  list.addEventListener("keydown", (event) => {
    const step = { ArrowLeft: -1, ArrowRight: 1 }[event.key];
    const at = buttons.indexOf(document.activeElement) + (step ?? 0);
    if (!step || !buttons[at]) return;
    buttons.forEach((one, n) => { one.tabIndex = n === at ? 0 : -1; });
    buttons[at].focus();
    event.preventDefault();
  });
  const number = element("input", { type: "number", min: 0, max: count - 1, step: 1, placeholder: `0 to ${count - 1}`, onchange: () => { if (number.value !== "") take(number.valueAsNumber); } });
  const any = element("button", { onclick: () => take(Math.floor(Math.random() * count)) }, "Any sample");
  return { node: element("div", { className: "choosing" }, list, element("div", { className: "controls" }, any, labelled("sample", number))), chose: (id) => { number.value = id ?? ""; } };
}

/** Hear of what is dropped or pasted anywhere but in a field: `take(file)`. Returns what stops it. */
export function arrivals(take) {
  const heard = {
    dragover: (event) => event.preventDefault(),
    drop(event) {
      event.preventDefault();
      if (event.dataTransfer.files[0]) take(event.dataTransfer.files[0]);
    },
    paste(event) {
      if (event.target.closest?.("input, textarea")) return;
      event.preventDefault();
      take(event.clipboardData.files[0] ?? new File([event.clipboardData.getData("text")], "row"));
    },
  };
  for (const [name, hear] of Object.entries(heard)) document.addEventListener(name, hear);
  return () => Object.entries(heard).forEach(([name, hear]) => document.removeEventListener(name, hear));
}

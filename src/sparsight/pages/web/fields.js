// A control for a JSON schema: numbers with bounds, switches, choices, and what may be left out.

import { element } from "./dom.js";

let count = 0; // of fields, for their ids

/** The kinds of value that a schema allows, and whether none is one of them. */
function kinds(schema) {
  const all = schema.anyOf ?? [schema];
  return { kept: all.filter((one) => one.type !== "null"), optional: all.some((one) => one.type === "null") };
}

/** A value as it is written in a text field, and back. */
const written = (value) => (value === null || value === undefined ? "" : typeof value === "string" ? value : JSON.stringify(value).replace(/^\[|\]$/g, "").replaceAll(",", ", "));
function read(text, list) {
  const plain = text.trim();
  try {
    return JSON.parse(list ? `[${plain}]` : plain);
  } catch {
    return plain;
  }
}

/**
 * A labelled control.
 *
 * @param {string} name
 * @param {object} schema
 * @param {(value: any) => void} set is told a value; undefined: whatever is usual.
 * @returns `node`; `show(value)`, which leaves alone what is being typed; `wrong(said)`.
 */
export function field(name, schema, set) {
  const { control, show } = made(schema, set);
  control.id = `field-${++count}`;
  const said = element("p", { className: "sorry", hidden: true });
  const about = schema.description && element("small", { id: `${control.id}-about`, className: "soft" }, schema.description.replaceAll("`", ""));
  if (about) control.setAttribute("aria-describedby", about.id);
  const node = element("div", { className: "field" }, element("label", { htmlFor: control.id }, name), control, about, said);
  return {
    node,
    show: (value) => document.activeElement !== control && show(value),
    changed: (yes) => node.classList.toggle("changed", yes),
    wrong(text) {
      said.hidden = !text;
      said.textContent = text ?? "";
      control.setAttribute("aria-invalid", String(Boolean(text)));
    },
  };
}

function made(schema, set) {
  const { kept, optional } = kinds(schema);
  const [only] = kept;
  const none = optional ? null : undefined;
  if (kept.length === 1 && only.type === "boolean") {
    const control = element("input", { type: "checkbox", onchange: () => set(control.checked) });
    return { control, show: (value) => { control.checked = Boolean(value); } };
  }
  if (kept.length === 1 && only.enum) {
    const names = [...(optional ? [["", "as usual"]] : []), ...only.enum.map((one) => [one, one])];
    const control = element("select", { onchange: () => set(control.value === "" ? none : control.value) }, names.map(([value, text]) => element("option", { value }, text)));
    return { control, show: (value) => { control.value = value ?? ""; } };
  }
  if (kept.length === 1 && ["integer", "number"].includes(only.type)) {
    const [least, most] = [only.minimum ?? only.exclusiveMinimum, only.maximum ?? only.exclusiveMaximum];
    const bounds = { ...(least === undefined ? {} : { min: least }), ...(most === undefined ? {} : { max: most }) };
    const control = element("input", {
      type: "number", step: only.type === "integer" ? 1 : "any", placeholder: optional ? "none" : "", ...bounds,
      oninput: () => { if (!control.validity.badInput) set(control.value === "" ? none : Number(control.value)); },
    });
    return { control, show: (value) => { control.value = value ?? ""; } };
  }
  const list = kept.length === 1 && only.type === "array";
  const control = element("input", {
    type: "text", spellcheck: false, autocomplete: "off", placeholder: optional ? "none" : "",
    oninput: () => set(control.value.trim() === "" ? none : read(control.value, list)),
  });
  return { control, show: (value) => { control.value = written(value); } };
}

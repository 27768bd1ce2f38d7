// Small pictures of numbers: a curve in a line of a table, a value beside what limits it, a verdict.

import { announce, drawn, element, say } from "./dom.js";

const WIDE = 200;

/** A curve without axes, from its lowest to its highest number. */
export function curve(values, label) {
  const known = values.map((value, n) => [n, value]).filter(([, value]) => Number.isFinite(value));
  if (known.length < 2) return element("span", { className: "soft" }, "–");
  const all = known.map(([, value]) => value);
  const [low, high] = [Math.min(...all), Math.max(...all)];
  const places = known.map(([n, value]) => [2 + (92 * n) / (values.length - 1), 24 - (20 * (value - low)) / (high - low || 1)]);
  const [x, y] = places.at(-1);
  return drawn("svg", { viewBox: "0 0 98 28", class: "curve", role: "img", "aria-label": `${label}: from ${say(all[0])} to ${say(all.at(-1))}` },
    drawn("path", { d: `M${places.map((place) => place.map((v) => v.toFixed(1)).join(" ")).join("L")}` }),
    drawn("circle", { cx: x.toFixed(1), cy: y.toFixed(1), r: 2.4 }));
}

/** Where a value (●) lies beside its limit (|), its null (◇) and its interval (━); nothing where it is alone. */
export function gauge({ value, limit = null, null: chance = null, low = null, high = null }) {
  const known = [value, limit, chance, low, high].filter((each) => Number.isFinite(each));
  const [from, to] = [Math.min(...known), Math.max(...known)];
  if (!Number.isFinite(value) || !(to > from)) return null;
  const place = (each) => 8 + ((WIDE - 16) * (each - from)) / (to - from);
  const said = [["here", value], ["from", low], ["to", high], ["limit", limit], ["null", chance]];
  const label = said.filter(([, each]) => Number.isFinite(each)).map(([name, each]) => `${name} ${say(each)}`).join(", ");
  const parts = [drawn("path", { class: "axis", d: `M4 12H${WIDE - 4}` })];
  if (Number.isFinite(low) && Number.isFinite(high)) parts.push(drawn("path", { class: "interval", d: `M${place(low)} 12H${place(high)}` }));
  if (Number.isFinite(limit)) parts.push(drawn("path", { class: "limit", d: `M${place(limit)} 3V21` }));
  if (Number.isFinite(chance)) parts.push(drawn("path", { class: "chance", d: `M${place(chance)} 6l6 6l-6 6l-6 -6Z` }));
  parts.push(drawn("circle", { class: "here", cx: place(value), cy: 12, r: 4.5 }));
  return drawn("svg", { viewBox: `0 0 ${WIDE} 24`, class: "gauge", role: "img", "aria-label": label }, ...parts);
}

/** How many findings there are, by colour and in words. */
export function verdict(found) {
  if (!found) return element("span", { className: "soft" }, "nobody has looked");
  const lights = ["red", "amber"].filter((severity) => found[severity]).map((severity) =>
    element("span", { className: `light ${severity}` }, `${found[severity]} ${severity}`));
  return element("span", { className: "lights" }, lights.length ? lights : element("span", { className: "light green" }, "green"));
}

/** A sentence of the server as people write it: a capital letter, where it begins with a word, a full stop, code as code. */
export function written(text) {
  const first = /^[a-z]+(?=[ ,:]|$)/.test(text) ? text.charAt(0).toUpperCase() : text.charAt(0);
  const whole = first + text.slice(1) + (/[.!?]$/.test(text) ? "" : ".");
  return whole.split("`").map((part, n) => (n % 2 ? element("code", {}, part) : part));
}

/** A command with the button that copies it. */
export function command(text) {
  const code = element("code", { tabIndex: 0 }, text); // it scrolls where it is long
  const copy = async () => {
    try {
      await navigator.clipboard.writeText(text);
      announce("copied");
      button.textContent = "copied";
      setTimeout(() => (button.textContent = "copy"), 1500);
    } catch { // pages that came over a network without encryption may not write there
      getSelection().selectAllChildren(code);
      announce("selected: press Ctrl-C");
    }
  };
  const button = element("button", { "aria-label": `Copy ${text}`, onclick: copy }, "copy");
  return element("div", { className: "command" }, code, button);
}

// What features do in the model that they come from: tokens that one raises and lowers, and figures of them all.

import { of } from "./ask.js";
import { card, element, say } from "./dom.js";

/** A token as it is read: what cannot be seen is shown. */
export function seen(token) {
  return token.replace(/\n/g, "↵").replace(/\t/g, "⇥").replace(/^ /, "␣").replace(/ /g, "\u00a0") || "∅";
}

/** Tokens with bars; those that are lowered have bars of their own colour. */
function bars(pairs, most) {
  return element("dl", { className: "bars tokens" }, pairs.map(([token, value]) => {
    const line = element("i", { className: value < 0 ? "less" : "" });
    line.style.width = `${(100 * Math.abs(value ?? 0)) / most}%`;
    return [element("dt", {}, element("bdi", {}, element("code", {}, seen(token)))), element("dd", {}, line), element("dd", { className: "num" }, say(value))];
  }));
}

/** The tokens that a feature raises and lowers, or nothing where they are not known. */
export function raisedCard(run, feature, tokens, steers) {
  if (!tokens) return "";
  const most = Math.max(...[...tokens.raised, ...tokens.lowered].map(([, value]) => Math.abs(value ?? 0)), 1e-30);
  return card("In the model",
    element("h3", {}, "Tokens it raises"), bars(tokens.raised, most),
    element("h3", {}, "Tokens it lowers"), bars(tokens.lowered, most),
    element("p", { className: "soft" }, "What its decoder row adds to the logits of the next token on the shortest way, past all later layers, less the mean over all tokens."),
    steers && element("p", {}, steerLink(run, feature)));
}

/** Where a feature is tried in the model. */
export const steerLink = (run, feature) => element("a", { href: `#/${of(run, `steer?features=${feature}`)}` }, "steer the model with it");

/** What the model does with the reconstructions, beside their nulls. */
export function effectsCard(effects) {
  const table = ({ name, about, rows }) => element("div", { className: "scroll", tabIndex: 0, role: "region", "aria-label": name },
    element("table", {}, element("caption", { className: "soft" }, `${name}: ${about}`),
      element("thead", {}, element("tr", {}, element("td", {}), effects.heads.map((head) => element("th", { scope: "col", title: effects.meanings[head] }, head)))),
      element("tbody", {}, rows.map(([row, ...cells]) => element("tr", {}, element("th", { scope: "row" }, row), cells.map((cell) => element("td", {}, cell)))))));
  return card("In the model", element("p", { className: "soft" }, `${effects.said}.`),
    element("div", { className: "effects" }, effects.groups.map(table)),
    effects.notes.length ? element("ul", { className: "notes" }, effects.notes.map((note) => element("li", {}, note))) : "",
    element("details", {}, element("summary", {}, "what these figures are"),
      element("dl", { className: "meanings" }, Object.entries(effects.meanings).map(([head, meaning]) => [element("dt", {}, head), element("dd", {}, meaning)]))));
}

// What steering did: next tokens, how the text goes on, how embeddings turned, and codes at every token.

import { card, element, say } from "./dom.js";
import { seen } from "./raised.js";
import { percent } from "./values.js";

/** All that came of it, as cards. */
export function shown(start, found, text) {
  const tokens = tokensCard(found);
  if (!start.causal) return [turned(found), tokens];
  return [nextCard(found), continued(found, text), tokens];
}

const legend = () => element("ul", { className: "legend" }, element("li", {}, element("i"), "as it is"), element("li", {}, element("i", { className: "after" }), "steered"));

function bar(share, most, after) {
  const line = element("i", { className: after ? "after" : "" });
  line.style.width = `${(100 * share) / most}%`;
  return line;
}

function nextCard({ next, kl }) {
  const most = Math.max(...next.flatMap(([, before, after]) => [before, after]), 1e-9);
  const head = element("tr", {}, element("th", { scope: "col" }, "token"), element("td"), ["as it is", "steered"].map((name) => element("th", { scope: "col" }, name)));
  return card("The next token", legend(),
    element("div", { className: "scroll", tabIndex: 0, role: "region", "aria-label": "probabilities of the next token" },
      element("table", { className: "next" }, element("thead", {}, head), element("tbody", {}, next.map(([token, before, after]) =>
        element("tr", {}, element("th", { scope: "row" }, element("bdi", {}, element("code", {}, seen(token)))),
          element("td", { className: "bar" }, bar(before, most, false), bar(after, most, true)),
          element("td", {}, percent(before)), element("td", {}, percent(after))))))),
    element("p", { className: "soft" }, `KL(as it is ‖ steered) = ${say(kl)} nats`));
}

function continued({ continued: { before, after }, stopped }, text) {
  if (!before && !after) return "";
  const one = (name, words) => [element("h3", {}, name), element("p", { className: "said", dir: "auto" }, element("span", { className: "given" }, text), words)];
  return card("How it goes on", one("as it is", before), one("steered", after), stopped ? element("p", { className: "soft" }, "The time was over before all tokens were written.") : "");
}

function turned({ cosine }) {
  return card("The embedding", element("p", {}, element("b", { className: "big" }, cosine.toFixed(4)), " cosine between the text's embedding as it is and steered"),
    element("p", { className: "soft" }, "The embedding is the mean of what the model gives over the tokens; 1: it did not turn."));
}

/** Tokens under the line that says how much the first steered feature's code changed, or how far each turned. */
function tokensCard({ features, tokens, cut }) {
  if (!features.length) return card("The text in tokens", words(tokens, () => 0, (token) => seen(token.text)), cutNote(cut));
  return card("Codes at each token", features.map((feature, n) => {
    const change = (token) => (token.before === null ? null : token.after[n] - token.before[n]);
    const most = Math.max(...tokens.map((token) => Math.abs(change(token) ?? 0)), 1e-30);
    const about = (token) => (token.before === null ? "left alone" : `code ${say(token.before[n])} → ${say(token.after[n])}`) + (token.cosine === undefined ? "" : `, cosine ${token.cosine.toFixed(3)}`);
    return [element("h3", {}, `feature ${feature}`), words(tokens, (token) => (change(token) ?? 0) / most, about)];
  }), element("p", { className: "soft" }, "Red: the code grew, blue: it shrank. Point at a token for its numbers."), cutNote(cut));
}

const cutNote = (cut) => (cut ? element("p", { className: "soft" }, "The text is longer than what is read.") : "");

function words(tokens, change, about) {
  return element("p", { className: "words", dir: "auto" }, tokens.map((token) => {
    const made = element("span", { title: about(token), className: token.before === null ? "apart" : "" }, token.text.replace(/\n/g, "↵\n"));
    const size = change(token);
    if (size) made.style.borderBottomColor = `color-mix(in srgb, ${size > 0 ? "var(--mark)" : "var(--blue)"} ${Math.round(100 * Math.abs(size))}%, transparent)`;
    return made;
  }));
}

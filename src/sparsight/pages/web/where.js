// `moran > .7 and rate < .05`: parsed into functions of a feature, and never evaluated as code.
//
//   or    = and {"or" and}          and = not {"and" not}      not = "not" not | "(" or ")" | comparison
//   comparison = sum ("<" | "<=" | ">" | ">=" | "=" | "!=") sum
//   sum   = product {("+" | "-") product}      product = value {("*" | "/") value}
//   value = number | name | "-" value | "(" sum ")"

const WORDS = /\s*(?:(\d+\.?\d*(?:e[-+]?\d+)?|\.\d+(?:e[-+]?\d+)?)|([A-Za-z_][\w.]*)|(<=|>=|!=|==|[-+*/()<>=]))/iy;
const COMPARE = {
  "<": (a, b) => a < b, "<=": (a, b) => a <= b, ">": (a, b) => a > b, ">=": (a, b) => a >= b,
  "=": (a, b) => a === b, "==": (a, b) => a === b, "!=": (a, b) => a !== b,
};
const COMPUTE = { "+": (a, b) => a + b, "-": (a, b) => a - b, "*": (a, b) => a * b, "/": (a, b) => a / b };
const DEEPEST = 60;

function tokens(text) {
  const found = [];
  WORDS.lastIndex = 0;
  while (WORDS.lastIndex < text.trimEnd().length) {
    const at = WORDS.lastIndex;
    const match = WORDS.exec(text);
    if (!match) throw new Error(`“${text.slice(at).trim().slice(0, 12)}” is not understood`);
    const [, number, word, sign] = match;
    if (number !== undefined) found.push({ kind: "number", value: Number(number) });
    else if (word !== undefined && /^(and|or|not)$/i.test(word)) found.push({ kind: word.toLowerCase() });
    else found.push(word !== undefined ? { kind: "name", value: word } : { kind: sign });
  }
  return found;
}

/**
 * Parse an expression.
 * @param {string} text
 * @param {(name: string) => string} known the column that a name means; it throws where there is none
 * @returns {{names: string[], test: (columns: Record<string, Float32Array>) => (id: number) => boolean}}
 */
export function parse(text, known) {
  const list = tokens(text);
  const names = new Set();
  let at = 0;
  let deep = 0;
  const is = (...kinds) => kinds.includes(list[at]?.kind);
  const said = () => (at < list.length ? `“${list[at].value ?? list[at].kind}”` : "its end");
  const inside = (rule) => {
    if (++deep > DEEPEST) throw new Error("there are too many brackets");
    const made = rule();
    deep--;
    return made;
  };

  function chain(kind, rule, join) {
    let left = rule();
    while (is(kind)) {
      at++;
      left = join(left, rule());
    }
    return left;
  }
  const or = () => chain("or", and, (a, b) => (c) => { const [f, g] = [a(c), b(c)]; return (id) => f(id) || g(id); });
  const and = () => chain("and", not, (a, b) => (c) => { const [f, g] = [a(c), b(c)]; return (id) => f(id) && g(id); });
  function not() {
    if (is("not")) {
      at++;
      const inner = inside(not);
      return (c) => { const f = inner(c); return (id) => !f(id); };
    }
    if (is("(")) {
      const start = at;
      try {
        at++;
        const inner = inside(or);
        if (!is(")")) throw new Error(`a bracket is not closed before ${said()}`);
        at++;
        if (!is(...Object.keys(COMPARE), ...Object.keys(COMPUTE))) return inner;
      } catch (error) {
        if (deep > DEEPEST) throw error;
      }
      at = start; // the bracket is one of a sum
    }
    return comparison();
  }
  function comparison() {
    const left = sum();
    if (!is(...Object.keys(COMPARE))) throw new Error(`a comparison such as < or > is missing before ${said()}`);
    const compare = COMPARE[list[at++].kind];
    const right = sum();
    return (c) => { const [f, g] = [left(c), right(c)]; return (id) => compare(f(id), g(id)); };
  }
  const join = (kind) => (a, b) => (c) => { const [f, g] = [a(c), b(c)]; return (id) => COMPUTE[kind](f(id), g(id)); };
  function sums(kinds, rule) {
    let left = rule();
    while (is(...kinds)) {
      const kind = list[at++].kind;
      left = join(kind)(left, rule());
    }
    return left;
  }
  const sum = () => sums(["+", "-"], product);
  const product = () => sums(["*", "/"], value);
  function value() {
    const token = list[at];
    if (is("number")) {
      at++;
      return () => () => token.value;
    }
    if (is("-")) {
      at++;
      const inner = inside(value);
      return (c) => { const f = inner(c); return (id) => -f(id); };
    }
    if (is("(")) {
      at++;
      const inner = inside(sum);
      if (!is(")")) throw new Error(`a bracket is not closed before ${said()}`);
      at++;
      return inner;
    }
    if (!is("name")) throw new Error(`a number or a measure is missing before ${said()}`);
    at++;
    const name = known(token.value);
    names.add(name);
    return name === "feature" ? () => (id) => id : (c) => (id) => c[name][id];
  }

  const made = or();
  if (at < list.length) throw new Error(`“and” or “or” is missing before ${said()}`);
  return { names: [...names], test: made };
}

/** The column that people mean by a name: itself, or that of a side where they say none. */
export function meaning(columns, side) {
  return (name) => {
    for (const full of [name, `${side}.${name}`, `decoder.${name}`, `encoder.${name}`]) {
      if (full === "feature" || Object.hasOwn(columns, full)) return full;
    }
    const close = Object.keys(columns).filter((known) => known.includes(name.slice(0, 4)));
    throw new Error(`there is no measure “${name}”${close.length ? `; there is ${close.slice(0, 4).join(", ")}` : ""}`);
  };
}

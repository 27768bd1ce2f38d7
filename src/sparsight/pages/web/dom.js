// Elements, numbers, and what every page needs of the document.

/** An element. Properties are set, `on…` are listeners, `data` are data attributes, the rest are attributes. */
export function element(tag, properties = {}, ...children) {
  const made = document.createElement(tag);
  for (const [name, value] of Object.entries(properties)) {
    if (name.startsWith("on")) made.addEventListener(name.slice(2), value);
    else if (name === "data") Object.assign(made.dataset, value);
    else if (name === "style") Object.assign(made.style, value);
    else if (name in made && !name.includes("-")) made[name] = value;
    else made.setAttribute(name, value);
  }
  made.append(...children.flat(Infinity).filter((child) => child !== null && child !== undefined && child !== false));
  return made;
}

export const NS = "http://www.w3.org/2000/svg";
/** An element of a picture that pages draw themselves, with its attributes. */
export function drawn(tag, attributes = {}, ...children) {
  const made = document.createElementNS(NS, tag);
  for (const [name, value] of Object.entries(attributes)) made.setAttribute(name, value);
  made.append(...children);
  return made;
}

/** A chart from views, which escaped what is in it. */
export function svg(text, label = "") {
  const parsed = new DOMParser().parseFromString(text, "image/svg+xml").documentElement;
  if (parsed.nodeName !== "svg") return element("p", { className: "soft" }, "this chart cannot be drawn");
  if (label) parsed.setAttribute("aria-label", label);
  return document.importNode(parsed, true);
}

/** A number as people read it. */
export function say(value) {
  if (value === null || value === undefined || Number.isNaN(value)) return "–";
  if (Number.isInteger(value)) return Math.abs(value) < 1e12 ? value.toLocaleString("en") : value.toPrecision(4);
  const size = Math.abs(value);
  if (size < 5e-5 || size >= 1e6) return value.toExponential(1);
  return size < 5e-3 ? value.toFixed(4) : size >= 1000 ? Math.round(value).toLocaleString("en") : value.toPrecision(3);
}

/** Tell people who listen instead of looking. */
export function announce(said) {
  document.getElementById("status").textContent = said;
}

/** A labelled part of a page. */
export function card(title, ...inner) {
  return element("section", { className: "card" }, title && element("h2", {}, title), ...inner);
}

/** A label around a control. */
export function labelled(name, control, className = "") {
  return element("label", { className }, element("span", {}, name), control);
}

/** A select of names, or of [value, name]. */
export function choice(options, value, onchange, properties = {}) {
  const made = element(
    "select",
    { ...properties, onchange: (event) => onchange(event.target.value) },
    options.map((option) => {
      const [of, name] = Array.isArray(option) ? option : [option, option];
      return element("option", { value: of }, name);
    }),
  );
  made.value = value;
  return made;
}

/** A row of buttons of which one is pressed. */
export function switches(label, options, value, onchange) {
  const group = element("div", { className: "switches", role: "group", "aria-label": label });
  for (const option of options) {
    const [of, name] = Array.isArray(option) ? option : [option, option];
    group.append(
      element("button", {
        "aria-pressed": String(of === value),
        onclick: (event) => {
          for (const other of group.children) other.setAttribute("aria-pressed", String(other === event.currentTarget));
          onchange(of);
        },
      }, name),
    );
  }
  return group;
}

/** What is called often and done once, `wait` ms after the last call. */
export function settled(wait, work) {
  let timer;
  return (...given) => {
    clearTimeout(timer);
    timer = setTimeout(() => work(...given), wait);
  };
}

/** The style of a page that has its own, loaded before the page is shown; a report has all of them in it. */
export async function styled(name) {
  if (document.getElementById("frozen") || document.querySelector(`link[href="${name}"]`)) return;
  const link = element("link", { rel: "stylesheet", href: name });
  const loaded = new Promise((done) => link.addEventListener("load", done, { once: true }));
  document.head.append(link);
  await loaded;
}

/** One sentence where something cannot be shown. */
export function sorry(error) {
  return element("p", { className: "sorry", role: "alert" }, error.message ?? String(error));
}

// The router: an address, a page.

import { ask, frozen, of } from "./ask.js";
import { announce, element, sorry } from "./dom.js";
import { held } from "./held.js";

const pages = {
  runs: () => import("./runs.js"),
  compare: () => import("./compare.js"),
  new: () => import("./form.js"),
  overview: () => import("./overview.js"),
  features: () => import("./features.js"),
  feature: () => import("./feature.js"),
  live: () => import("./live.js"),
  play: () => import("./play.js"),
  steer: () => import("./steer.js"),
  findings: () => import("./findings.js"),
};
const OF_A_RUN = [["overview", "Overview", ""], ["features", "Features", "features"], ["live", frozen ? "Training" : "Live", "live"], ["play", "Playground", "play"], ["findings", "Findings", "findings"]];

/** Where an address leads: page, run, id and query. */
function parsed(hash) {
  const [path, query = ""] = hash.replace(/^#/, "").split("?");
  const parts = path.split("/").filter(Boolean).map(decodeURIComponent);
  const found = { page: "runs", run: null, id: null, query: new URLSearchParams(query) };
  if (parts[0] === "run" && parts[1]) {
    const page = parts[2] ?? "overview";
    return { ...found, page: page in pages ? page : "overview", run: parts[1], id: parts[3] === undefined ? null : Number(parts[3]) };
  }
  return { ...found, page: parts[0] in pages ? parts[0] : "runs" };
}

const steering = new Map();
/** Whether there is a model behind a run's data that reads texts; it is asked for once. */
function steers(run) {
  if (!steering.has(run)) steering.set(run, ask(of(run, "about")).then((about) => about.steers));
  return steering.get(run);
}

function navigate(where) {
  const nav = document.getElementById("nav");
  const link = (href, name, on) => element("a", { href, ...(on ? { "aria-current": "page" } : {}) }, name);
  const links = frozen ? [] : [link("#/", "Runs", where.page === "runs")];
  if (where.run !== null) {
    links.push(element("strong", { title: where.run }, where.run));
    for (const [page, name, rest] of OF_A_RUN) {
      if (frozen && page === "play") continue;
      const on = where.page === page || (page === "features" && where.page === "feature");
      links.push(link(`#/${of(where.run, rest)}`, name, on));
    }
  }
  nav.replaceChildren(...links);
  if (where.run !== null && !frozen) steers(where.run).then((yes) => yes && links[0].parentNode === nav && nav.append(link(`#/${of(where.run, "steer")}`, "Steer", where.page === "steer")), () => {});
}

let leave;
let turn = 0;
async function show() {
  const mine = ++turn;
  let where = parsed(location.hash);
  if (frozen && where.run === null) where = { ...where, page: "overview", run: held.only };
  await leave?.();
  leave = undefined;
  const place = element("div", { className: `page ${where.page}` });
  document.getElementById("tip").hidden = true;
  document.getElementById("page").replaceChildren(place);
  document.title = [where.run, where.page === "overview" ? "" : where.page, "sparsight"].filter(Boolean).join(" · ");
  navigate(where);
  try {
    const { open } = await pages[where.page]();
    if (mine !== turn) return;
    const remember = (changes) => mine === turn && rewrite(changes); // a page that was left writes no address
    const left = await open(place, { ...where, remember });
    if (mine !== turn) left?.();
    else leave = left;
    announce(document.title);
  } catch (error) {
    place.append(sorry(error));
  }
}

/** The query of the address that is shown, changed without a new page. */
function rewrite(changes) {
  const [path, query = ""] = location.hash.split("?");
  const all = new URLSearchParams(query);
  for (const [name, value] of Object.entries(changes)) {
    if (value === null || value === "" || value === undefined) all.delete(name);
    else all.set(name, value);
  }
  history.replaceState(null, "", all.size ? `${path}?${all}` : path || "#/");
}

const root = document.documentElement;
if (!frozen && localStorage.getItem("theme")) root.dataset.theme = localStorage.getItem("theme");
document.getElementById("theme").addEventListener("click", () => {
  const now = root.dataset.theme ?? (matchMedia("(prefers-color-scheme: dark)").matches ? "dark" : "light");
  root.dataset.theme = now === "dark" ? "light" : "dark";
  if (!frozen) localStorage.setItem("theme", root.dataset.theme);
});
document.getElementById("skip").addEventListener("click", () => document.getElementById("page").focus());
addEventListener("hashchange", show);
show();

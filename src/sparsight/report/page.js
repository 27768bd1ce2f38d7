const data = JSON.parse(document.getElementById("data").textContent);
const { shape, columns, ids } = data;
const [height, width, channels] = shape ? [shape[0], shape[1], shape[2] ?? 1] : [0, 0, 0];
const rate = columns.rate.values;
const byId = (id) => document.getElementById(id);
const state = { sort: "rate", down: true, scale: "own", colour: "grey", dim: true, selected: -1 };
let order = ids.map((_, n) => n);

function element(tag, attributes = {}, ...children) {
  const made = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (name.startsWith("on")) made.addEventListener(name.slice(2), value);
    else if (name in made) made[name] = value;
    else made.setAttribute(name, value);
  }
  made.append(...children);
  return made;
}

const say = (value) =>
  value === null || value === undefined ? "–" : Number.isInteger(value) ? String(value) : Math.abs(value) < 5e-3 && Math.abs(value) > 5e-5 ? value.toFixed(4) : value.toPrecision(3);

// ---- filters -------------------------------------------------------------------------------------------------------

const filters = {};
for (const [of, { peaks, data: text }] of Object.entries(data.filters ?? {})) {
  const bytes = Int8Array.from(atob(text), (c) => c.charCodeAt(0));
  filters[of] = { peaks, bytes, most: Math.max(...peaks) };
}

function paint(level) {
  // level: -1 to 1
  const v = Math.max(-1, Math.min(1, level));
  if (state.colour === "grey") {
    const grey = 127.5 + 127.5 * v;
    return [grey, grey, grey];
  }
  const far = v < 0 ? [33, 102, 172] : [178, 24, 43];
  return far.map((c) => 247 + (c - 247) * Math.abs(v));
}

function tile(of, n, pixels, left, top, across, faint) {
  const { peaks, bytes, most } = filters[of];
  const factor = (state.scale === "own" ? 1 : peaks[n] / most) / 127;
  const size = height * width * channels;
  for (let y = 0; y < height; y++) {
    for (let x = 0; x < width; x++) {
      const at = n * size + (y * width + x) * channels;
      const spot = 4 * ((top + y) * across + left + x);
      for (let c = 0; c < 3; c++) {
        let shade = channels >= 3 ? 127.5 + 127.5 * factor * bytes[at + c] : paint(factor * bytes[at])[c];
        if (faint) shade = 128 + 0.3 * (shade - 128);
        pixels[spot + c] = shade;
      }
      pixels[spot + 3] = 255;
    }
  }
}

function drawGrid(canvas) {
  const of = canvas.dataset.of;
  const across = Math.ceil(Math.sqrt(order.length));
  const down = Math.ceil(order.length / across);
  canvas.width = across * (width + 1) + 1;
  canvas.height = down * (height + 1) + 1;
  const pen = canvas.getContext("2d");
  const image = pen.createImageData(canvas.width, canvas.height);
  image.data.fill(102);
  for (let i = 3; i < image.data.length; i += 4) image.data[i] = 255;
  order.forEach((n, place) => {
    const left = 1 + (place % across) * (width + 1);
    const top = 1 + Math.floor(place / across) * (height + 1);
    tile(of, n, image.data, left, top, canvas.width, state.dim && of !== "null" && rate[n] === 0);
  });
  pen.putImageData(image, 0, 0);
  const chosen = order.indexOf(state.selected);
  if (chosen >= 0 && of !== "null") {
    pen.strokeStyle = "#ff7a1a";
    pen.lineWidth = 2;
    pen.strokeRect((chosen % across) * (width + 1), Math.floor(chosen / across) * (height + 1), width + 2, height + 2);
  }
}

function drawOne(canvas, of, n) {
  canvas.width = width;
  canvas.height = height;
  const pen = canvas.getContext("2d");
  const image = pen.createImageData(width, height);
  tile(of, n, image.data, 0, 0, width, false);
  pen.putImageData(image, 0, 0);
}

function under(canvas, event) {
  const box = canvas.getBoundingClientRect();
  const across = Math.ceil(Math.sqrt(order.length));
  const x = Math.floor((((event.clientX - box.left) / box.width) * canvas.width - 1) / (width + 1));
  const y = Math.floor((((event.clientY - box.top) / box.height) * canvas.height - 1) / (height + 1));
  return x < 0 || x >= across ? undefined : order[y * across + x];
}

const grids = [...document.querySelectorAll("canvas.grid")];
const tip = byId("tip");
for (const canvas of grids) {
  const real = canvas.dataset.of !== "null";
  canvas.addEventListener("mousemove", (event) => {
    const n = under(canvas, event);
    tip.hidden = n === undefined || !real;
    if (tip.hidden) return;
    const told = ["rate", "mean_firing", `${canvas.dataset.of}.moran`, "purity", state.sort];
    const lines = [...new Set(told)].filter((name) => columns[name]).map((name) => `${name}: ${say(columns[name].values[n])}`);
    tip.textContent = `feature ${ids[n]}\n${lines.join("\n")}`;
    tip.style.left = `${Math.min(event.clientX + 14, innerWidth - 250)}px`;
    tip.style.top = `${event.clientY + 14}px`;
  });
  canvas.addEventListener("mouseleave", () => (tip.hidden = true));
  if (!real) continue;
  canvas.addEventListener("click", (event) => {
    const n = under(canvas, event);
    if (n !== undefined) select(n);
  });
  canvas.addEventListener("keydown", (event) => {
    const across = Math.ceil(Math.sqrt(order.length));
    const step = { ArrowLeft: -1, ArrowRight: 1, ArrowUp: -across, ArrowDown: across }[event.key];
    if (!step) return;
    event.preventDefault();
    const place = Math.max(0, Math.min(order.length - 1, order.indexOf(state.selected) + step));
    select(order[place]);
  });
}

function scaleBar() {
  const canvas = byId("scalebar");
  if (!canvas) return;
  canvas.width = 110;
  canvas.height = 1;
  const pen = canvas.getContext("2d");
  for (let x = 0; x < 110; x++) {
    pen.fillStyle = `rgb(${paint(x / 54.5 - 1).map(Math.round)})`;
    pen.fillRect(x, 0, 1, 1);
  }
  const shown = grids.map((grid) => grid.dataset.of).filter((of) => of !== "null");
  const peaks = shown.map((of) => `${of} ±${say(filters[of].most)}`).join(", ");
  byId("scalewords").textContent = state.scale === "own" ? "each filter by its own largest |w|" : `${peaks} (units of the data)`;
}

// ---- sorting, and the table ----------------------------------------------------------------------------------------

function sort() {
  const values = columns[state.sort]?.values ?? ids;
  const sign = state.down ? -1 : 1;
  order = ids.map((_, n) => n).sort((a, b) => {
    if (values[a] === null || values[b] === null) return (values[a] === null) - (values[b] === null);
    return sign * (values[a] - values[b]) || a - b;
  });
}

function redraw() {
  sort();
  grids.forEach(drawGrid);
  scaleBar();
  fillTable();
}

const tableNames = Object.keys(columns);
function fillTable() {
  const body = byId("rows");
  const shown = order.slice(0, body.dataset.all ? order.length : 20);
  body.replaceChildren(
    ...shown.map((n) => {
      const cells = tableNames.map((name) => element("td", {}, say(columns[name].values[n])));
      return element("tr", { className: n === state.selected ? "on" : "", onclick: () => select(n) }, element("td", {}, String(ids[n])), ...cells);
    }),
  );
  byId("more").hidden = shown.length === order.length;
}

byId("heads").append(
  element("th", {}, "feature"),
  ...tableNames.map((name) =>
    element("th", { title: columns[name].about }, element("button", { onclick: () => sortBy(name) }, name)),
  ),
);
byId("more").addEventListener("click", () => {
  byId("rows").dataset.all = "yes";
  fillTable();
});

function sortBy(name) {
  state.down = state.sort === name ? !state.down : true;
  state.sort = name;
  byId("sort").value = name;
  redraw();
}

byId("sort").append(...["feature", ...tableNames].map((name) => element("option", { value: name }, name)));
byId("sort").value = state.sort;
byId("sort").addEventListener("change", (event) => {
  state.sort = event.target.value;
  state.down = state.sort !== "feature";
  redraw();
});
byId("turn").addEventListener("click", () => {
  state.down = !state.down;
  redraw();
});
for (const name of ["scale", "colour"]) {
  byId(name)?.addEventListener("change", (event) => {
    state[name] = event.target.value;
    redraw();
    if (state.selected >= 0) show(state.selected);
  });
}
byId("dim")?.addEventListener("change", (event) => {
  state.dim = event.target.checked;
  redraw();
});

// ---- one feature ---------------------------------------------------------------------------------------------------

const examples = data.examples;
const sprite = new Image();
const loaded = examples?.sprite ? new Promise((done) => ((sprite.onload = done), (sprite.src = examples.sprite))) : null;

function drawExample(canvas, place, n, lay) {
  canvas.width = width;
  canvas.height = height;
  const pen = canvas.getContext("2d");
  const left = (place % examples.across) * width;
  const top = Math.floor(place / examples.across) * height;
  pen.drawImage(sprite, left, top, width, height, 0, 0, width, height);
  if (!lay) return;
  const image = pen.getImageData(0, 0, width, height);
  const { bytes } = filters.decoder ?? filters.encoder;
  const size = height * width * channels;
  for (let at = 0; at < height * width; at++) {
    let v = 0;
    for (let c = 0; c < channels; c++) v += bytes[n * size + at * channels + c] / 127 / channels;
    const far = v < 0 ? [70, 140, 255] : [255, 80, 30];
    const part = Math.min(0.8, Math.abs(v));
    for (let c = 0; c < 3; c++) image.data[4 * at + c] += part * (far[c] - image.data[4 * at + c]);
  }
  pen.putImageData(image, 0, 0);
}

function tiles(kind, n) {
  const row = element("div", { className: "tilerow" });
  examples[kind][n].forEach((place, k) => {
    if (place < 0) return;
    const code = say(examples[`${kind}_codes`][n][k]);
    const label = examples.labels?.[place] ?? `#${examples.samples[place]}`;
    const words = `${label} · ${code}`;
    if (!examples.sprite) return row.append(element("div", {}, `sample ${examples.samples[place]}: ${code}`));
    const canvas = element("canvas", { title: `sample ${examples.samples[place]}, code ${code}` });
    loaded.then(() => drawExample(canvas, place, n, byId("lay")?.checked));
    row.append(element("div", {}, canvas, words));
  });
  return row;
}

function gabor(n, of) {
  const at = (name) => columns[`${of}.gabor_${name}`]?.values[n] ?? null;
  if (at("r2") === null) return "";
  const canvas = element("canvas", { width, height });
  const pen = canvas.getContext("2d");
  const image = pen.createImageData(width, height);
  const [x0, y0, theta, f, phase, sx, sy] = ["x0", "y0", "orientation", "frequency", "phase", "sigma_x", "sigma_y"].map(at);
  const level = [];
  for (let y = 0; y < height; y++) {
    for (let x = 0; x < width; x++) {
      const u = (x - x0) * Math.cos(theta) + (y - y0) * Math.sin(theta);
      const v = -(x - x0) * Math.sin(theta) + (y - y0) * Math.cos(theta);
      level.push(Math.exp(-(u * u) / (2 * sx * sx) - (v * v) / (2 * sy * sy)) * Math.cos(2 * Math.PI * f * u + phase));
    }
  }
  const peak = Math.max(...level.map(Math.abs), 1e-12);
  level.forEach((v, i) => image.data.set([...paint(v / peak), 255], 4 * i));
  pen.putImageData(image, 0, 0);
  return element("figure", {}, canvas, element("figcaption", {}, `Gabor fit, R² ${say(at("r2"))}`));
}

function pairOf(n, of) {
  const canvas = element("canvas");
  drawOne(canvas, of, n);
  return element("div", { className: "pair" }, element("figure", {}, canvas, element("figcaption", {}, of)), gabor(n, of));
}

function histogram(n) {
  const counts = data.histogram[n];
  const first = counts.findIndex((c) => c > 0);
  if (first < 0) return element("p", { className: "soft" }, "it never fired");
  const last = counts.findLastIndex((c) => c > 0);
  const shown = counts.slice(Math.max(0, first - 1), last + 2);
  const top = Math.log1p(Math.max(...shown));
  const canvas = element("canvas", { width: 240, height: 80, title: "samples (log) over |code| (log)" });
  const pen = canvas.getContext("2d");
  pen.fillStyle = "#3b7dd8";
  const step = 240 / shown.length;
  shown.forEach((c, i) => pen.fillRect(i * step, 80 - (78 * Math.log1p(c)) / top, Math.max(1, step - 1), 80));
  const from = say(data.edges[Math.max(0, first - 1)]);
  const to = say(data.edges[Math.min(data.edges.length - 1, last + 2)]);
  return element("figure", {}, canvas, element("figcaption", {}, element("span", {}, `code ${from}`), element("span", {}, to)));
}

function barRow(name, value, most, note) {
  const line = element("i");
  line.style.width = `${most ? (100 * Math.abs(value ?? 0)) / most : 0}%`;
  return element("div", { className: "bar" }, element("span", {}, name), line, element("span", {}, note ?? say(value)));
}

const card = (title, ...inner) => element("div", {}, element("h3", {}, title), ...inner);

function links(name, values) {
  const row = data.neighbours[name]?.[state.selected] ?? [];
  const shown = row.map((id, k) => [ids.indexOf(id), id, data.neighbours[values][state.selected][k]]).filter(([, id]) => id >= 0);
  return element("div", {}, ...shown.map(([n, id, v]) =>
    element("button", { className: "link", disabled: n < 0, onclick: () => select(n) }, `${id} · ${say(v)}`)));
}

function measures(n) {
  const body = element("tbody");
  const cell = (name) => element("td", { title: columns[name]?.about ?? "" }, columns[name] ? say(columns[name].values[n]) : "");
  const none = (name) => element("td", { className: "null" }, columns[name]?.null == null ? "" : say(columns[name].null));
  const heads = (...names) => body.append(element("tr", {}, ...names.map((name) => element("th", {}, name))));
  const plain = tableNames.filter((name) => !name.includes("."));
  heads("", "", "", "null");
  for (const name of plain) body.append(element("tr", {}, element("td", {}, name), cell(name), element("td"), none(name)));
  heads("of the filter", "encoder", "decoder", "null");
  const filtered = tableNames.filter((name) => name.includes(".") && !/gabor_(?!r2)/.test(name));
  for (const measure of new Set(filtered.map((name) => name.slice(name.indexOf(".") + 1)))) {
    const [encoder, decoder] = [`encoder.${measure}`, `decoder.${measure}`];
    body.append(element("tr", {}, element("td", {}, measure), cell(encoder), cell(decoder), none(columns[decoder] ? decoder : encoder)));
  }
  return element("table", {}, body);
}

function show(n) {
  const cards = [];
  if (shape) cards.push(card("Filter and its fit", ...["encoder", "decoder"].filter((of) => filters[of]).map((of) => pairOf(n, of))));
  if (data.inputs) {
    const most = Math.max(...data.inputs[n].map(([, w]) => Math.abs(w)));
    const rows = data.inputs[n].map(([name, w]) => barRow(name, w, most));
    cards.push(card("Largest weights of the decoder", element("div", { className: "named" }, ...rows)));
  }
  if (examples) {
    cards.push(card("Largest codes", tiles("top", n)));
    cards.push(card("From the largest to the smallest", tiles("drawn", n)));
  }
  cards.push(card("Codes of this feature", histogram(n)));
  if (data.class_mean) {
    const most = Math.max(...data.class_mean[n]);
    cards.push(card("Mean code in each class", ...data.classes.map((name, c) => barRow(name, data.class_mean[n][c], most))));
  }
  cards.push(card("Nearest by cosine", links("decoder.neighbour_ids", "decoder.neighbour_cosine"), element("h3", {}, "Fires with (correlation)"), links("together_ids", "together")));
  cards.push(card("Measures", measures(n)));
  byId("name").textContent = `Feature ${ids[n]}`;
  byId("cards").replaceChildren(...cards);
}

function select(n) {
  state.selected = n;
  show(n);
  grids.forEach(drawGrid);
  fillTable();
}
byId("lay")?.addEventListener("change", () => show(state.selected));

// ---- saving --------------------------------------------------------------------------------------------------------

function save(name, blob) {
  const link = element("a", { href: URL.createObjectURL(blob), download: name });
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 1000);
}

const asPng = (canvas) => new Promise((done) => canvas.toBlob(done, "image/png"));

async function rastered(picture) {
  const source = picture instanceof SVGElement
    ? `data:image/svg+xml;utf8,${encodeURIComponent(picture.outerHTML)}`
    : picture.src;
  const image = new Image();
  await new Promise((done) => ((image.onload = done), (image.src = source)));
  const zoom = picture instanceof SVGElement ? 2 : 1;
  const canvas = element("canvas", { width: zoom * (picture.viewBox?.baseVal.width || image.naturalWidth), height: zoom * (picture.viewBox?.baseVal.height || image.naturalHeight) });
  canvas.getContext("2d").drawImage(image, 0, 0, canvas.width, canvas.height);
  return canvas;
}

function svgOf(picture, canvas) {
  if (picture instanceof SVGElement) return picture.outerHTML;
  const { width: w, height: h } = canvas;
  return `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${w} ${h}" style="image-rendering: pixelated"><image width="${w}" height="${h}" href="${canvas.toDataURL()}"/></svg>`;
}

for (const caption of document.querySelectorAll("figure[data-name] > figcaption")) {
  const figure = caption.parentElement;
  const picture = figure.querySelector("canvas, svg, img");
  const canvas = async () => (picture instanceof HTMLCanvasElement ? picture : rastered(picture));
  const name = figure.dataset.name;
  caption.append(element("span", { className: "save" },
    element("button", { title: `Save ${name} as PNG`, onclick: async () => save(`${name}.png`, await asPng(await canvas())) }, "PNG"),
    element("button", { title: `Save ${name} as SVG`, onclick: async () => save(`${name}.svg`, new Blob([svgOf(picture, await canvas())], { type: "image/svg+xml" })) }, "SVG")));
}

byId("csv").addEventListener("click", () => {
  const lines = order.map((n) => [ids[n], ...tableNames.map((name) => columns[name].values[n] ?? "")].join(","));
  save("features.csv", new Blob([["feature", ...tableNames].join(",") + "\n" + lines.join("\n") + "\n"], { type: "text/csv" }));
});

byId("nulls").addEventListener("click", () => {
  const lines = [...document.querySelectorAll("table.still tr")].map((row) =>
    [...row.cells].map((cell) => cell.textContent.replace("–", "")).join(","));
  save("comparison.csv", new Blob([lines.join("\n") + "\n"], { type: "text/csv" }));
});

redraw();
select(order[0]);

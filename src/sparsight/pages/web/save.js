// Any picture as PNG or SVG, any table as CSV.

import { announce, element } from "./dom.js";

/** Hand a file to the browser. */
export function save(name, content, type = "text/plain") {
  const blob = content instanceof Blob ? content : new Blob([content], { type });
  const link = element("a", { href: URL.createObjectURL(blob), download: name });
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 1000);
  announce(`${name} is saved`);
}

async function rastered(picture) {
  if (picture instanceof HTMLCanvasElement) return picture;
  const chart = picture instanceof SVGElement;
  const image = new Image();
  image.src = chart ? `data:image/svg+xml;utf8,${encodeURIComponent(picture.outerHTML)}` : picture.src;
  await image.decode();
  const [width, height] = chart ? [2 * picture.viewBox.baseVal.width, 2 * picture.viewBox.baseVal.height] : [image.naturalWidth, image.naturalHeight];
  const canvas = element("canvas", { width, height });
  const pen = canvas.getContext("2d");
  if (chart) {
    pen.fillStyle = "#fff";
    pen.fillRect(0, 0, width, height);
  }
  pen.drawImage(image, 0, 0, width, height);
  return canvas;
}

/** A canvas, image or SVG as a PNG file. */
export async function savePng(name, picture) {
  const canvas = await rastered(picture);
  save(`${name}.png`, await new Promise((done) => canvas.toBlob(done, "image/png")));
}

/** A canvas, image or SVG as an SVG file: its lines, or its pixels. */
async function saveSvg(name, picture) {
  if (picture instanceof SVGElement) return save(`${name}.svg`, picture.outerHTML, "image/svg+xml");
  const canvas = await rastered(picture);
  const { width, height } = canvas;
  const content = `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${width} ${height}" style="image-rendering: pixelated"><image width="${width}" height="${height}" href="${canvas.toDataURL()}"/></svg>`;
  return save(`${name}.svg`, content, "image/svg+xml");
}

/** Links below a picture that save it; `picture` may be a function that gives it. */
export function saver(name, picture) {
  const get = typeof picture === "function" ? picture : () => picture;
  return element("span", { className: "save" },
    element("button", { "aria-label": `Save ${name} as PNG`, onclick: async () => savePng(name, await get()) }, "PNG"),
    element("button", { "aria-label": `Save ${name} as SVG`, onclick: async () => saveSvg(name, await get()) }, "SVG"));
}

/** Rows of cells as a CSV file; cells that a spreadsheet would execute are quoted as text. */
export function saveCsv(name, heads, rows) {
  const cell = (value) => {
    const plain = value === null || value === undefined || Number.isNaN(value) ? "" : String(value);
    const safe = typeof value === "string" && /^[=+\-@\t\r]/.test(plain) ? `'${plain}` : plain;
    return /[",\n\r]/.test(safe) ? `"${safe.replaceAll('"', '""')}"` : safe;
  };
  save(`${name}.csv`, [heads, ...rows].map((row) => row.map(cell).join(",")).join("\n") + "\n", "text/csv");
}

/** A picture with its caption and the links that save it. */
export function figure(name, picture, caption = "", properties = {}) {
  return element("figure", properties, picture, element("figcaption", {}, element("span", {}, caption), saver(name, picture)));
}

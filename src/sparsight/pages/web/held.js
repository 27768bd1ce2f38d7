// What a report holds: answers by path, packed, in the page or in files beside it.

import { decoded } from "./base64.js";

const place = document.getElementById("frozen");
/** What is held, or null where there is a server. */
export const held = place ? JSON.parse(place.textContent) : null;

globalThis.hold = (path, packed) => { held.answers[path] = packed; };
const loading = new Map();

function loaded(path) {
  if (!loading.has(path)) {
    loading.set(path, new Promise((done, fail) => {
      const script = document.createElement("script");
      script.src = `data/${held.files[path]}.js`;
      script.onload = done;
      script.onerror = () => fail(new Error(`a file of this report is missing: ${script.src}`));
      document.head.append(script);
    }));
  }
  return loading.get(path);
}

/** The bytes that answer a path. */
export async function unpacked(path) {
  if (!(path in held.answers) && held.files && path in held.files) await loaded(path);
  if (!(path in held.answers)) throw new Error("this report does not hold that");
  return new Response(new Blob([decoded(held.answers[path])]).stream().pipeThrough(new DecompressionStream("deflate"))).arrayBuffer();
}

const blocks = new Map();
const places = new Map();

/** The block of a table that an id lies in: its bytes, how many ids it has, and which of them this is. */
async function block(path, id) {
  const { ids, size } = held.tables[path];
  if (!places.has(path)) places.set(path, new Map(ids.map((known, n) => [known, n])));
  const at = places.get(path).get(id);
  if (at === undefined) throw new Error(`this report does not hold number ${id}`);
  const number = Math.floor(at / size);
  const key = `${path}/${number}`;
  if (!blocks.has(key)) {
    if (blocks.size > 400) blocks.clear();
    blocks.set(key, unpacked(key));
  }
  return { buffer: await blocks.get(key), count: Math.min(size, ids.length - number * size), row: at % size };
}

/** The JSON record of an id in a table. */
export async function record(path, id) {
  const { buffer, row } = await block(path, id);
  return JSON.parse(new TextDecoder().decode(buffer))[row];
}

/** Rows of a table by id: as many float32 `numbers` first for each, then levels of a Kind. */
export async function rows(path, ids, Kind, numbers) {
  const found = await Promise.all([...ids].map(async (id) => {
    const { buffer, count, row } = await block(path, id);
    const levels = new Kind(buffer, 4 * numbers * count);
    const width = levels.length / count;
    return [new Float32Array(buffer, 4 * numbers * row, numbers), levels.subarray(row * width, (row + 1) * width)];
  }));
  const width = found.length ? found[0][1].length : 0;
  const heads = new Float32Array(numbers * found.length);
  const levels = new Kind(width * found.length);
  found.forEach(([head, level], n) => {
    heads.set(head, n * numbers);
    levels.set(level, n * width);
  });
  return { heads, levels };
}

// Where answers come from: the server, or what a report holds. Nothing else in the pages knows which.

import { held, record, rows, unpacked } from "./held.js";

/** Whether this is a report: nothing can be asked of a server, and nothing changed. */
export const frozen = held !== null;

const given = new URLSearchParams(location.hash.slice(1));
if (given.has("token") && !frozen) {
  localStorage.setItem("token", given.get("token"));
  history.replaceState(null, "", `${location.pathname}#${given.get("go") ?? "/"}`);
}

const token = () => ({ "X-Sparsight-Token": localStorage.getItem("token") ?? "" });

async function fetched(method, path, body) {
  const headers = token();
  const raw = body instanceof ArrayBuffer || ArrayBuffer.isView(body);
  if (body !== undefined && !raw) headers["Content-Type"] = "application/json";
  let answer;
  try {
    const content = body === undefined || raw ? body : JSON.stringify(body);
    answer = await fetch(`api/${path}`, { method, headers, body: content, keepalive: method === "PUT" });
  } catch {
    throw new Error("the explorer does not answer: is `sparsight explore` still running?");
  }
  if (answer.ok) return answer;
  const said = await answer.json().catch(() => ({}));
  throw Object.assign(new Error(said.error ?? `the explorer answered ${answer.status}`), { status: answer.status });
}

/** The address of a run's answers. */
export const of = (run, rest) => `run/${encodeURIComponent(run)}/${rest}`;

/** The JSON answer to a path. */
export async function ask(path) {
  if (!frozen) return (await fetched("GET", path)).json();
  const [, table, id] = /^(.*)\/(\d+)$/.exec(path) ?? [];
  if (table in held.tables) return record(table, Number(id));
  return JSON.parse(new TextDecoder().decode(await unpacked(path)));
}

/** The bytes that answer a path. */
export const bytes = async (path) => (frozen ? unpacked(path) : (await fetched("GET", path)).arrayBuffer());

/** The text that answers a path. */
export const text = async (path) => (await fetched("GET", path)).text();

/** Change something, or have work done; JSON or bytes in, JSON out. */
export const act = async (method, path, body) => (await fetched(method, path, body)).json();

const columns = new Map();
/** A column of the atlas, Float32Array [F]; it is asked for once. */
export function column(run, name) {
  const path = of(run, `column/${name}`);
  if (!columns.has(path)) {
    if (columns.size > 64) columns.clear();
    columns.set(path, bytes(path).then((buffer) => new Float32Array(buffer)));
    columns.get(path).catch(() => columns.delete(path));
  }
  return columns.get(path);
}

/** Filters: peaks [n], and levels [n, D] as one Int8Array. */
export async function tiles(run, side, ids) {
  if (frozen) {
    const { heads, levels } = await rows(of(run, `tiles/${side}`), ids, Int8Array, 1);
    return { peaks: heads, levels };
  }
  const buffer = await bytes(of(run, `tiles?of=${side}&ids=${ids.join(",")}`));
  return { peaks: new Float32Array(buffer, 0, ids.length), levels: new Int8Array(buffer, 4 * ids.length) };
}

/** Samples: lowest and highest [n, 2], and levels [n, D] as one Uint8Array. */
export async function samples(run, ids) {
  if (frozen) {
    const { heads, levels } = await rows(of(run, "samples"), ids, Uint8Array, 2);
    return { ends: heads, levels };
  }
  const buffer = await bytes(of(run, `samples?ids=${ids.join(",")}`));
  return { ends: new Float32Array(buffer, 0, 2 * ids.length), levels: new Uint8Array(buffer, 8 * ids.length) };
}

/** Features in words, as `views.words.told` has them. */
export async function words(run, ids) {
  if (frozen) return Promise.all(ids.map((id) => ask(of(run, `words/${id}`))));
  return ask(of(run, `words?ids=${ids.join(",")}`));
}

/** Server-sent events, read by fetch so that the token goes with it. `hear(name, data)`; returns what stops it. */
export function stream(path, hear, ended = () => {}) {
  const control = new AbortController();
  (async () => {
    try {
      const answer = await fetch(`api/${path}`, { headers: token(), signal: control.signal });
      if (!answer.ok) throw new Error((await answer.json()).error);
      let rest = "";
      const decoder = new TextDecoder();
      for (const reader = answer.body.getReader(); ; ) {
        const { done, value } = await reader.read();
        if (done) break;
        const parts = (rest + decoder.decode(value, { stream: true })).split("\n\n");
        rest = parts.pop();
        for (const part of parts) {
          const name = /^event: (.*)$/m.exec(part)?.[1] ?? "message";
          const data = /^data: (.*)$/m.exec(part)?.[1];
          if (data !== undefined) hear(name, JSON.parse(data));
        }
      }
      ended(null);
    } catch (error) {
      if (error.name !== "AbortError") ended(error);
    }
  })();
  return () => control.abort();
}

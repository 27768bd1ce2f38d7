// Numbers as the playground sends, gets and paints them: float32 in base64, in the units of the data.

import { decoded } from "./base64.js";
import { geometry, painted } from "./paint.js";

/** The numbers in a text of base64. */
export function numbers(text) {
  return new Float32Array(decoded(text).buffer);
}

/** Signed bytes in a text of base64: of filters, as `views.features.packed` has them. */
export function levels(text) {
  return new Int8Array(decoded(text).buffer);
}

/** Paint a sample from its lowest to its highest value: black to white, or in its colours. */
export function paintValues(canvas, values, shape, low, high) {
  const [height, width, channels] = geometry(shape);
  const factor = 255 / (high - low || 1);
  painted(shape, (pixels) => {
    const bytes = new Uint8ClampedArray(pixels.buffer);
    for (let at = 0; at < height * width; at++) {
      for (let c = 0; c < 3; c++) bytes[4 * at + c] = (values[at * channels + (channels < 3 ? 0 : c)] - low) * factor;
      bytes[4 * at + 3] = 255;
    }
  }, canvas);
}

/** Paint how much more (red) or less (blue) there is than there should be; nothing where they are alike. */
export function paintDifference(canvas, values, should, shape, span) {
  const [height, width, channels] = geometry(shape);
  painted(shape, (pixels) => {
    const bytes = new Uint8ClampedArray(pixels.buffer);
    for (let at = 0; at < height * width; at++) {
      let more = 0;
      for (let c = 0; c < channels; c++) more += (values[at * channels + c] - should[at * channels + c]) / channels;
      const far = more < 0 ? [40, 110, 210] : [214, 50, 40];
      for (let c = 0; c < 3; c++) bytes[4 * at + c] = far[c];
      bytes[4 * at + 3] = Math.min(255, (Math.abs(more) / (span || 1)) * 255);
    }
  }, canvas);
}

/** A share as people read it. */
export const percent = (share) => (share === null ? "–" : `${(100 * share).toFixed(Math.abs(share) < 0.995 ? 1 : 0)} %`);

/**
 * Work of which one piece is done at a time; of what is asked for meanwhile only the last matters.
 *
 * @param {() => Promise<void>} work
 * @param {(busy: boolean) => void} say told when it begins and when all is done
 * @returns {() => Promise<void>} which is kept once all is done
 */
export function latest(work, say = () => {}) {
  let running = null;
  let again = false;
  async function all() {
    say(true);
    try {
      do {
        again = false;
        await work();
      } while (again);
    } finally {
      running = null;
      say(false);
    }
  }
  return () => {
    again = running !== null;
    running ??= all();
    return running;
  };
}

/** Work that can wait until what is more urgent is painted; of several only the last is done. */
export function afterwards(work) {
  let given = null;
  return (...now) => {
    if (given === null) {
      requestAnimationFrame(() => setTimeout(() => {
        const last = given;
        given = null;
        work(...last);
      }));
    }
    given = now;
  };
}

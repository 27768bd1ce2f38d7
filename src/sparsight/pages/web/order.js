// Which features, in which order.

/** Ids sorted by values (Float32Array over all features), without values last; equal ones by id. By radix, O(n). */
export function sorted(ids, values, down) {
  const n = ids.length;
  const keys = new Uint32Array(n);
  const bits = new Uint32Array(1);
  const number = new Float32Array(bits.buffer);
  for (let i = 0; i < n; i++) {
    number[0] = values[ids[i]];
    if (Number.isNaN(number[0])) keys[i] = 0xffffffff;
    else {
      if (number[0] === 0) number[0] = 0; // -0 is 0
      const up = bits[0] & 0x80000000 ? ~bits[0] >>> 0 : (bits[0] | 0x80000000) >>> 0;
      keys[i] = down ? 0xfffffffe - Math.min(up, 0xfffffffe) : Math.min(up, 0xfffffffe);
    }
  }
  let from = Uint32Array.from(ids);
  let of = keys;
  for (let shift = 0; shift < 33; shift += 11) {
    const start = new Uint32Array(2049);
    for (let i = 0; i < n; i++) start[((of[i] >>> shift) & 2047) + 1]++;
    for (let i = 0; i < 2048; i++) start[i + 1] += start[i];
    const to = new Uint32Array(n);
    const moved = new Uint32Array(n);
    for (let i = 0; i < n; i++) {
      const at = start[(of[i] >>> shift) & 2047]++;
      to[at] = from[i];
      moved[at] = of[i];
    }
    [from, of] = [to, moved];
  }
  return from;
}

/** 0 to n − 1. */
export const everything = (n) => Uint32Array.from({ length: n }, (_, i) => i);

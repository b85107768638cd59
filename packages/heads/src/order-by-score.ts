// The order in which suppression looks at boxes: by falling score, of equal scores the lower index first.
// A radix sort of float32 bit patterns instead of a sort with a comparison, since there may be many thousands of pairs.

const BITS = 11;
const BUCKETS = 1 << BITS;

// A pattern whose unsigned order is the falling order of the numbers: +0 and -0 are one.
function fallingPatterns(scores: ArrayLike<number>, order: Uint32Array): Uint32Array {
  const values = new Float32Array(order.length);
  order.forEach((i, k) => {
    values[k] = scores[i]! + 0;
  });
  const patterns = new Uint32Array(values.buffer);
  for (let k = 0; k < patterns.length; k++) {
    const bits = patterns[k]!;
    patterns[k] = bits >>> 31 === 1 ? bits : ~bits & 0x7fffffff;
  }
  return patterns;
}

/**
 * Orders indices by falling score; of equal scores the lower index comes first, and NaN is left out.
 *
 * @param scores `[N]`, compared as float32
 * @returns the indices in order
 * @example orderByScore([0.1, 0.9, 0.1]) // 1, 0, 2
 */
export function orderByScore(scores: ArrayLike<number>): Uint32Array {
  let count = 0;
  let order: Uint32Array = new Uint32Array(scores.length);
  for (let i = 0; i < scores.length; i++) if (!Number.isNaN(scores[i]!)) order[count++] = i;
  order = order.subarray(0, count);
  let patterns = fallingPatterns(scores, order);
  let nextOrder: Uint32Array = new Uint32Array(count);
  let nextPatterns: Uint32Array = new Uint32Array(count);
  for (let shift = 0; shift < 32; shift += BITS) {
    const starts = new Uint32Array(BUCKETS + 1);
    for (let k = 0; k < count; k++) starts[((patterns[k]! >>> shift) & (BUCKETS - 1)) + 1]!++;
    if (starts.includes(count, 1)) continue; // all in one bucket
    for (let b = 1; b < BUCKETS; b++) starts[b]! += starts[b - 1]!;
    for (let k = 0; k < count; k++) {
      const to = starts[(patterns[k]! >>> shift) & (BUCKETS - 1)]!++;
      nextOrder[to] = order[k]!;
      nextPatterns[to] = patterns[k]!;
    }
    [order, nextOrder] = [nextOrder, order];
    [patterns, nextPatterns] = [nextPatterns, patterns];
  }
  return order;
}

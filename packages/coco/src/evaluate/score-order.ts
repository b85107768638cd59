// Sorts rows by falling score, equal scores in the order given (numpy's mergesort of -scores). A radix sort on 22 bits of the place
// between the highest and the lowest score does nearly all of it; what shares all those bits is sorted by the scores themselves.
const DIGIT = 11;
const BUCKETS = 1 << DIGIT;
const STEPS = 2 ** (2 * DIGIT) - 1;

// Up to this length, runs are sorted by insertion; scores that are equal stay as they are at no cost.
const SHORT_RUN = 32;

function sortRun(rows: Int32Array, scores: Float64Array, begin: number, end: number): void {
  if (end - begin > SHORT_RUN) {
    let sorted = true;
    for (let n = begin + 1; n < end && sorted; n++) sorted = scores[rows[n - 1]!]! >= scores[rows[n]!]!;
    if (!sorted) rows.subarray(begin, end).sort((p, q) => scores[q]! - scores[p]!);
    return;
  }
  for (let n = begin + 1; n < end; n++) {
    const row = rows[n]!;
    const score = scores[row]!;
    let at = n - 1;
    while (at >= begin && scores[rows[at]!]! < score) {
      rows[at + 1] = rows[at]!;
      at--;
    }
    rows[at + 1] = row;
  }
}

/**
 * Makes a sorter by score.
 *
 * @param most the longest list that will be sorted
 * @returns gives the places of finite scores, highest first; overwritten by the next call
 */
export function createScoreSorter(most: number): (scores: Float64Array) => Int32Array {
  const order = new Int32Array(most);
  const keys = new Int32Array(most);
  const halfSortedKeys = new Int32Array(most);
  const halfSorted = new Int32Array(most);
  const lowCounts = new Int32Array(BUCKETS + 1);
  const highCounts = new Int32Array(BUCKETS + 1);

  function countDigits(scores: Float64Array, count: number, highest: number, scale: number): void {
    lowCounts.fill(0);
    highCounts.fill(0);
    for (let n = 0; n < count; n++) {
      // Each operation keeps the order or makes neighbours equal.
      const key = ((highest - scores[n]!) * scale) | 0;
      keys[n] = key;
      lowCounts[(key & (BUCKETS - 1)) + 1]!++;
      highCounts[(key >>> DIGIT) + 1]!++;
    }
    for (let bucket = 0; bucket < BUCKETS; bucket++) {
      lowCounts[bucket + 1]! += lowCounts[bucket]!;
      highCounts[bucket + 1]! += highCounts[bucket]!;
    }
  }

  return (scores) => {
    const count = scores.length;
    let highest = Number.NEGATIVE_INFINITY;
    let lowest = Number.POSITIVE_INFINITY;
    for (let n = 0; n < count; n++) {
      order[n] = n;
      if (scores[n]! > highest) highest = scores[n]!;
      if (scores[n]! < lowest) lowest = scores[n]!;
    }
    const sorted = order.subarray(0, count);
    if (!(highest > lowest)) return sorted;
    const scale = STEPS / (highest - lowest);
    if (!(scale > 0 && scale < Number.POSITIVE_INFINITY)) {
      sortRun(order, scores, 0, count);
      return sorted;
    }
    countDigits(scores, count, highest, scale);
    for (let n = 0; n < count; n++) {
      const key = keys[n]!;
      const at = lowCounts[key & (BUCKETS - 1)]!++;
      halfSorted[at] = n;
      halfSortedKeys[at] = key;
    }
    for (let n = 0; n < count; n++) {
      const key = halfSortedKeys[n]!;
      const at = highCounts[key >>> DIGIT]!++;
      order[at] = halfSorted[n]!;
      keys[at] = key;
    }
    let begin = 0;
    for (let n = 1; n <= count; n++) {
      if (n < count && keys[n] === keys[begin]) continue;
      if (n - begin > 1) sortRun(order, scores, begin, n);
      begin = n;
    }
    return sorted;
  };
}

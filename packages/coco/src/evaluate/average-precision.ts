// The AP of one list of hits and false alarms, as COCO computes it. The evaluation draws many curves at once in accumulate.ts; this is for
// analyses that ask "what if".

// numpy's spacing(1), which keeps 0 / 0 out of the precision.
const EPSILON = 2.220446049250313e-16;

/** The precision at a hit, after so many hits (this one included) and false alarms. */
export function hitPrecision(hits: number, alarms: number): number {
  return hits / (alarms + hits + EPSILON);
}

/**
 * The mean over recalls of the best precision at that recall or a higher one.
 *
 * @param precisions at each hit, by falling score
 * @param numTruths annotations that count, at least 1
 * @param recalls where to read, rising
 * @returns 0 to 1
 */
export function averagePrecision(precisions: readonly number[], numTruths: number, recalls: Float64Array): number {
  const best = Float64Array.from(precisions);
  for (let h = best.length - 2; h >= 0; h--) best[h] = Math.max(best[h]!, best[h + 1]!);
  let sum = 0;
  let needed = 1;
  for (const recall of recalls) {
    while (needed <= best.length && needed / numTruths < recall) needed++;
    if (needed <= best.length) sum += best[needed - 1]!;
  }
  return sum / recalls.length;
}

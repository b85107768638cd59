// What was left out of a data set, in words. Who leaves it out decides why; here it is only counted.

/**
 * Words for counts by reason.
 *
 * @param counts how many, by reason
 * @returns e.g. "2 box-empty, 1 unknown-image"; empty when nothing was left out
 */
export function skipText(counts: Readonly<Record<string, number | undefined>>): string {
  return Object.entries(counts)
    .map(([reason, n]) => `${n} ${reason}`)
    .join(", ");
}

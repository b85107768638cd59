// Runs an asynchronous job for each of many items, a bounded number at a time, with the results in the items' order.

/**
 * Maps items; the first failure ends the work and is thrown.
 *
 * @param items what there is to do
 * @param limit the most jobs at a time, from 1
 * @param job gets an item and its place
 * @returns results `[items.length]`
 */
export async function mapConcurrently<T, R>(
  items: readonly T[],
  limit: number,
  job: (item: T, index: number) => Promise<R>,
): Promise<R[]> {
  const results = new Array<R>(items.length);
  let next = 0;
  let failed = false;
  const worker = async () => {
    while (next < items.length && !failed) {
      const index = next++;
      try {
        results[index] = await job(items[index]!, index);
      } catch (error) {
        failed = true;
        throw error;
      }
    }
  };
  await Promise.all(Array.from({ length: Math.min(limit, items.length) }, worker));
  return results;
}

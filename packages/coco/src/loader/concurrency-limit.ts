// Lets a bounded number of asynchronous jobs run at once, whoever starts them; the others wait in order.

/** Runs a job when its turn comes. */
export type Limit = <T>(run: () => Promise<T>) => Promise<T>;

/**
 * Makes a limit.
 *
 * @param most jobs at once, from 1
 * @returns a function that starts a job now or when another ends
 */
export function createLimit(most: number): Limit {
  let running = 0;
  const waiting: (() => void)[] = [];
  return async (run) => {
    if (running >= most) await new Promise<void>((resolve) => waiting.push(resolve));
    else running++;
    try {
      return await run();
    } finally {
      // The next one takes over this one's place.
      const next = waiting.shift();
      if (next) next();
      else running--;
    }
  };
}

// Work that goes on beside the caller, a few pieces at a time: what adds more waits. The first failure is thrown at the next call.

/** A bounded number of pieces of work under way. */
export interface TaskLimit {
  /** Starts a piece once there is room. */
  add(task: () => Promise<void>): Promise<void>;
  /** Waits for all. */
  drain(): Promise<void>;
}

/**
 * Makes a limit.
 *
 * @param limit how many may be under way
 */
export function createTaskLimit(limit: number): TaskLimit {
  const running = new Set<Promise<void>>();
  let failure: { readonly cause: unknown } | undefined;
  const check = () => {
    if (failure) throw failure.cause;
  };
  return {
    async add(task) {
      while (running.size >= limit) await Promise.race(running);
      check();
      const piece = task()
        .catch((cause) => {
          failure ??= { cause };
        })
        .finally(() => running.delete(piece));
      running.add(piece);
    },
    async drain() {
      await Promise.all(running);
      check();
    },
  };
}

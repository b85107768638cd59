// A bound on bytes that are held at once. Who wants more than is left waits, in the order of asking.
import { onAbort } from "./abort";

/** A bound on bytes. */
export interface ByteBudget {
  /**
   * Takes bytes, once there are enough. More than the whole bound is given to who then is the only one.
   *
   * @returns gives them back; calls after the first do nothing
   * @throws the signal's reason, when it comes before the bytes
   */
  take(bytes: number, signal?: AbortSignal): Promise<() => void>;
}

interface Waiting {
  readonly bytes: number;
  readonly admit: () => void;
}

/** Makes a bound, all of it free. */
export function createByteBudget(bound: number): ByteBudget {
  const queue: Waiting[] = [];
  let held = 0;
  const admit = () => {
    while (queue[0] && (held === 0 || held + queue[0].bytes <= bound)) {
      const next = queue.shift()!;
      held += next.bytes;
      next.admit();
    }
  };
  return {
    take: (bytes, signal) =>
      new Promise((resolve, reject) => {
        let isHeld = true;
        const giveBack = () => {
          if (!isHeld) return;
          isHeld = false;
          held -= bytes;
          admit();
        };
        const abort = () => {
          forget();
          queue.splice(queue.indexOf(waiting), 1);
          reject(signal!.reason);
          admit();
        };
        const waiting: Waiting = {
          bytes,
          admit: () => {
            forget();
            resolve(giveBack);
          },
        };
        if (signal?.aborted) return reject(signal.reason);
        const forget = onAbort(signal, abort);
        queue.push(waiting);
        admit();
      }),
  };
}

// Waiting that an AbortSignal can end. What is waited for goes on by itself: who started it lets go of what it holds.

/** The calls that share a signal, behind one listener: Node warns of a leak from the eleventh on. */
interface Shared {
  readonly callbacks: Set<() => void>;
  readonly listener: () => void;
}

const sharedOf = new WeakMap<AbortSignal, Shared>();

function share(signal: AbortSignal): Shared {
  const callbacks = new Set<() => void>();
  const listener = () => {
    for (const call of [...callbacks]) call();
  };
  signal.addEventListener("abort", listener, { once: true });
  const shared = { callbacks, listener };
  sharedOf.set(signal, shared);
  return shared;
}

/**
 * Calls back when a signal comes.
 *
 * @param signal not aborted yet; undefined never comes
 * @param callback called once; does not throw
 * @returns takes the callback back
 */
export function onAbort(signal: AbortSignal | undefined, callback: () => void): () => void {
  if (!signal) return () => {};
  const { callbacks, listener } = sharedOf.get(signal) ?? share(signal);
  const own = () => callback();
  callbacks.add(own);
  return () => {
    if (!callbacks.delete(own) || callbacks.size > 0) return;
    sharedOf.delete(signal);
    signal.removeEventListener("abort", listener);
  };
}

/**
 * Waits for a task, or for the signal, whichever comes first.
 *
 * @param task what is waited for; its failure after an abort is nobody's
 * @param signal ends the waiting
 * @returns the task's result
 * @throws the signal's reason
 */
export function untilAborted<T>(task: Promise<T>, signal: AbortSignal | undefined): Promise<T> {
  if (!signal) return task;
  return new Promise((resolve, reject) => {
    if (signal.aborted) reject(signal.reason);
    const forget = onAbort(signal, () => reject(signal.reason));
    task.then(resolve, reject).finally(forget);
  });
}

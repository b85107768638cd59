// Ctrl-C and termination as a request to stop after the current step, instead of an end in the middle of it.

const EXIT_CODES = { SIGINT: 130, SIGTERM: 143 } as const;

/** Whether, and how, the process was asked to stop. */
export interface StopWatch {
  /** Aborted by the first signal. */
  readonly signal: AbortSignal;
  /** 128 + the signal's number, as shells have it; 0 while no signal came. */
  exitCode(): number;
  /** Gives the signals their usual meaning back. */
  dispose(): void;
}

/**
 * Takes over SIGINT and SIGTERM until the first of them comes: the second ends the process at once.
 *
 * @param onStop called at the first signal
 * @returns the watch; dispose it when done
 */
export function watchSignals(onStop: () => void): StopWatch {
  const stopping = new AbortController();
  const names = Object.keys(EXIT_CODES) as (keyof typeof EXIT_CODES)[];
  let exitCode = 0;
  const stop = (name: NodeJS.Signals) => {
    exitCode = EXIT_CODES[name as keyof typeof EXIT_CODES];
    dispose();
    stopping.abort();
    onStop();
  };
  const dispose = () => {
    for (const name of names) process.off(name, stop);
  };
  for (const name of names) process.on(name, stop);
  return { signal: stopping.signal, exitCode: () => exitCode, dispose };
}

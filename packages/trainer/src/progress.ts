// Progress of a run for a person: a bar with the time left on a terminal, plain lines elsewhere.
import type { TrainHook } from "./hooks";

/** Where progress is written to; `process.stderr` fits. */
export interface ProgressStream {
  readonly isTTY?: boolean;
  readonly columns?: number;
  write(text: string): unknown;
}

function duration(seconds: number): string {
  const s = Math.max(0, Math.round(seconds));
  const [h, m] = [Math.floor(s / 3600), Math.floor(s / 60) % 60];
  const two = (n: number) => String(n).padStart(2, "0");
  return h > 0 ? `${h}:${two(m)}:${two(s % 60)}` : `${m}:${two(s % 60)}`;
}

/**
 * A hook that shows progress.
 *
 * @param stream where to, e.g. `process.stderr`
 * @param everySeconds plain lines come no more often than this, default 10
 * @returns the hook
 */
export function progressHook(stream: ProgressStream, everySeconds = 10): TrainHook {
  let started = 0;
  let first = 0;
  let last = Number.NEGATIVE_INFINITY;
  const endLine = () => {
    if (stream.isTTY) stream.write("\n");
  };
  return {
    name: "progress",
    onStart: (trainer) => {
      started = performance.now();
      first = trainer.position.step;
    },
    onStep: ({ step, loss, imagesPerSecond, madds, learningRate }, trainer) => {
      const now = performance.now();
      if (step < trainer.totalSteps && now - last < (stream.isTTY ? 100 : everySeconds * 1000)) return;
      last = now;
      const left = ((now - started) / 1000 / (step - first)) * (trainer.totalSteps - step);
      const facts = [
        `step ${step}/${trainer.totalSteps}`,
        `loss ${loss.total!.toFixed(3)}`,
        `lr ${learningRate.toPrecision(2)}`,
        `${imagesPerSecond.toFixed(1)} img/s`,
        ...(madds ? [`${(madds.mean / 1e6).toFixed(0)} M MAdds`] : []),
        `${duration(left)} left`,
      ].join("  ");
      if (!stream.isTTY) {
        stream.write(`${facts}\n`);
        return;
      }
      const width = 20;
      const done = Math.round((width * step) / trainer.totalSteps);
      const line = `[${"█".repeat(done)}${"░".repeat(width - done)}] ${facts}`.slice(0, (stream.columns ?? 80) - 1);
      stream.write(`\r\u001b[2K${line}`);
    },
    onEnd: endLine,
    onError: endLine,
  };
}

// A curve of a run of any length in bounded memory: means over stretches of steps, whose length doubles whenever there are too many.
// The same steps give the same points, whether they come from a file or as the run goes.
import type { Point } from "@caddet/viz";

/** A curve that grows. */
export interface StepCurve {
  /** Adds a value; what is not finite is left out. Steps come in rising order. */
  add(step: number, value: number): void;
  /** `[step, mean]` of each stretch, at its last step. */
  points(): Point[];
}

interface Stretch {
  step: number;
  sum: number;
  count: number;
}

/** Stretches that are kept, at most. */
const MOST = 200;

/**
 * Makes a curve.
 *
 * @returns the curve, empty
 * @example const loss = createStepCurve(); loss.add(1, 2.3); loss.points() // [[1, 2.3]]
 */
export function createStepCurve(): StepCurve {
  let stretches: Stretch[] = [];
  let length = 1;
  return {
    add: (step, value) => {
      if (!Number.isFinite(value)) return;
      const last = stretches.at(-1);
      if (last && Math.ceil(last.step / length) === Math.ceil(step / length)) {
        last.step = step;
        last.sum += value;
        last.count++;
        return;
      }
      stretches.push({ step, sum: value, count: 1 });
      while (stretches.length > MOST) {
        length *= 2;
        stretches = merged(stretches, length);
      }
    },
    points: () => stretches.map(({ step, sum, count }) => [step, sum / count]),
  };
}

function merged(stretches: readonly Stretch[], length: number): Stretch[] {
  const out: Stretch[] = [];
  for (const stretch of stretches) {
    const last = out.at(-1);
    if (!last || Math.ceil(last.step / length) !== Math.ceil(stretch.step / length)) {
      out.push(stretch);
      continue;
    }
    out[out.length - 1] = {
      step: stretch.step,
      sum: last.sum + stretch.sum,
      count: last.count + stretch.count,
    };
  }
  return out;
}

// The learning rate as a pure function of the iteration: step or cosine policy with warm-up, as mmcv's StepLrUpdaterHook under an
// epoch-based runner does it.

/** How the learning rate moves. */
export interface ScheduleOptions {
  /** Rate at full height. */
  readonly base: number;
  /** "step" multiplies by `gamma` at the start of each milestone epoch; "cosine" falls to 0 at the end. */
  readonly policy: "step" | "cosine" | "constant";
  /** Epochs, from 0, at whose start the rate falls. */
  readonly milestones: readonly number[];
  readonly gamma: number;
  /** Iterations of warm-up; the first after them runs at full rate. */
  readonly warmupSteps: number;
  /** Rate of the first iteration as a fraction of the policy's. */
  readonly warmupRatio: number;
  readonly warmup: "linear" | "constant";
  readonly stepsPerEpoch: number;
  /** Iterations of the whole run. */
  readonly totalSteps: number;
}

/**
 * The learning rate of one iteration.
 *
 * @param step global iteration, from 0
 * @param options the schedule
 * @returns the rate that this iteration's update uses
 * @example learningRate(0, { ...schedule, base: 0.01, warmup: "linear", warmupRatio: 0.001 }) // 1e-5
 */
export function learningRate(step: number, options: ScheduleOptions): number {
  const { base, policy, milestones, gamma, warmupSteps, warmupRatio, warmup, stepsPerEpoch, totalSteps } = options;
  const epoch = Math.floor(step / stepsPerEpoch);
  const factor = {
    step: () => gamma ** milestones.filter((m) => epoch >= m).length,
    cosine: () => 0.5 * (1 + Math.cos((Math.PI * Math.min(step, totalSteps)) / totalSteps)),
    constant: () => 1,
  }[policy]();
  if (step >= warmupSteps) return base * factor;
  if (warmup === "constant") return base * factor * warmupRatio;
  return base * factor * (1 - (1 - step / warmupSteps) * (1 - warmupRatio));
}

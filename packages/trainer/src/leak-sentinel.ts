// Stops a run that leaks tensors, with a report of what leaks: a count that grows by one a step ends a week's run on its third day.
// Counting is free; only after the count has risen is one step looked at closely.
import { CaddetError } from "@caddet/core";
import * as tf from "@tensorflow/tfjs-core";
import type { TrainHook } from "./hooks";

/** Tensors that one step left behind, of one kind. */
export interface LeakedTensors {
  readonly count: number;
  readonly shape: readonly number[];
  readonly dtype: string;
  /** The kernel that made them; absent for tensors made of values. */
  readonly kernel?: string;
  /** The line outside TensorFlow.js that made them. */
  readonly at: string;
}

/** A run's tensors grow in number. */
export class TensorLeakError extends CaddetError {
  constructor(message: string, details: { readonly step: number; readonly leaked: readonly LeakedTensors[] }) {
    super("tensor-leak", message, details);
  }
}

interface Made {
  readonly tensor: tf.Tensor;
  readonly kernel: string | undefined;
  readonly stack: string;
}

/** What of TensorFlow.js' engine is looked at; the first is not in its types. */
interface WatchedEngine {
  trackTensor?(tensor: tf.Tensor, backend: unknown): void;
  runKernel(name: string, inputs: tf.NamedTensorMap, attrs?: tf.NamedAttrMap): unknown;
}

/** Frames of an operation of TensorFlow.js alone can be twenty. */
const FRAMES = 50;

// Keeps every tensor that is made from now on and still lives, with its origin.
function watchTensors(): { alive(): Made[]; stop(): void } {
  const engine = tf.engine() as unknown as WatchedEngine;
  const { trackTensor, runKernel } = engine;
  if (!trackTensor) return { alive: () => [], stop: () => {} };
  let made: Made[] = [];
  const kernels: string[] = [];
  engine.trackTensor = function watchedTensor(tensor, backend) {
    trackTensor.call(this, tensor, backend);
    const { stackTraceLimit } = Error;
    Error.stackTraceLimit = FRAMES;
    made.push({ tensor, kernel: kernels.at(-1), stack: new Error().stack ?? "" });
    Error.stackTraceLimit = stackTraceLimit;
  };
  engine.runKernel = function watchedKernel(name, inputs, attrs) {
    kernels.push(name);
    try {
      return runKernel.call(this, name, inputs, attrs);
    } finally {
      kernels.pop();
    }
  };
  return {
    alive: () => {
      made = made.filter(({ tensor }) => !tensor.isDisposed && !(tensor instanceof tf.Variable));
      return made;
    },
    stop: () => {
      // Both are methods of the engine's class; what was put before them goes.
      delete (engine as Partial<WatchedEngine>).trackTensor;
      delete (engine as Partial<WatchedEngine>).runKernel;
    },
  };
}

// The first line of a stack that is neither TensorFlow.js' nor the watch's.
function originOf(stack: string): string {
  const lines = stack.split("\n").slice(1);
  const own = lines.find((line) => !/@tensorflow|watchedTensor|watchedKernel|<anonymous>/.test(line));
  return (own ?? lines.at(-1) ?? "an unknown place").trim().replace(/^at /, "");
}

function groupLeaks(made: readonly Made[]): LeakedTensors[] {
  const groups = new Map<string, LeakedTensors>();
  for (const { tensor, kernel, stack } of made) {
    const kind = { shape: tensor.shape, dtype: tensor.dtype, at: originOf(stack), ...(kernel ? { kernel } : {}) };
    const key = JSON.stringify(kind);
    groups.set(key, { ...kind, count: (groups.get(key)?.count ?? 0) + 1 });
  }
  return [...groups.values()].sort((a, b) => b.count - a.count);
}

function describe({ count, shape, dtype, kernel, at }: LeakedTensors): string {
  return `${count} × ${dtype} [${shape}] made by ${kernel ?? "values"} at ${at}`;
}

/** How many stretches of steps must each need more tensors than the one before. */
const STRETCHES = 4;

/**
 * A hook that stops a run whose tensors grow in number.
 *
 * The smallest count of a stretch of steps must rise four times in a row: what is made once and kept, or comes and goes, is no leak. The
 * next steps are then watched, and what they leave behind is named; where they leave nothing, the run goes on.
 *
 * @param steps over how many steps the count must grow, from 4; default 32
 * @returns the hook; it throws TensorLeakError from `onStep`
 * @example createTrainer({ …, hooks: [leakSentinel()] })
 */
export function leakSentinel(steps = 32): TrainHook {
  const length = Math.max(1, Math.round(steps / STRETCHES));
  let minima: number[] = [];
  let stretch: number[] = [];
  let watch: ReturnType<typeof watchTensors> | undefined;
  let watched = 0;
  const forget = () => {
    watch?.stop();
    watch = undefined;
    watched = 0;
    minima = [];
    stretch = [];
  };
  const look = (step: number, tensors: number) => {
    watched++;
    const leaked = groupLeaks(watch!.alive());
    if (leaked.length === 0) {
      if (watched === steps) forget();
      return;
    }
    const rise = minima.at(-1)! - minima[0]!;
    forget();
    throw new TensorLeakError(
      `Step ${step}: ${tensors} tensors are alive; before, they became ${rise} more in ${length * (STRETCHES - 1)} steps. The last one left behind ` +
        `${leaked.slice(0, 10).map(describe).join("; ")}. Dispose these, or set leakSteps to 0 if they are meant to stay.`,
      { step, leaked },
    );
  };
  return {
    name: "leak-sentinel",
    everyRank: true,
    onStart: forget,
    onStep: ({ step, tensors }) => {
      if (watch) {
        look(step, tensors);
        return;
      }
      stretch.push(tensors);
      if (stretch.length < length) return;
      minima = [...minima, Math.min(...stretch)].slice(-STRETCHES);
      stretch = [];
      const rising = minima.every((minimum, i) => i === 0 || minimum > minima[i - 1]!);
      if (minima.length === STRETCHES && rising) watch = watchTensors();
    },
    onClose: forget,
  };
}

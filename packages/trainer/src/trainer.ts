// The training loop: batch → objective → gradients → clip → SGD → hooks. Where the batches come from, and what is done with the
// records, is others' business. The position (epoch, batch) and everything that a step depends on can be saved and restored.
import { executedCost, fixedBudget, lossAwareBudget, scaleBudget } from "@caddet/budget";
import {
  type BudgetMapping,
  ConfigError,
  type GroundTruth,
  type ImageSize,
  NonFiniteError,
  variableGrads,
} from "@caddet/core";
import type { Detector } from "@caddet/detector";
import * as tf from "@tensorflow/tfjs-core";
import { createAdamW } from "./adamw";
import type { TrainConfig } from "./config";
import type { StepRecord, TrainHook } from "./hooks";
import { computeObjective, type ObjectiveOptions } from "./objective";
import type { Optimizer } from "./optimizer";
import { learningRate } from "./schedule";
import { createSgd } from "./sgd";
import { spreadOf } from "./spread";

/** A batch as a loader gives it. */
export interface TrainBatch {
  /** `[B * H * W * 3]`, normalised, padded with zeros. */
  readonly images: Float32Array;
  readonly shape: readonly [number, number, number, number];
  readonly truths: readonly GroundTruth[];
  readonly sizes: readonly ImageSize[];
  readonly imageIds: readonly number[];
}

/** Where batches come from; the order must be a function of the epoch alone. */
export interface BatchSource {
  readonly batchesPerEpoch: number;
  epoch(epoch: number, options?: { readonly startBatch?: number }): AsyncIterable<TrainBatch>;
}

/** Options of {@link createTrainer}. */
export interface TrainerOptions {
  readonly detector: Detector;
  readonly batches: BatchSource;
  readonly config: TrainConfig;
  /** Default: the one that `config.budget` names. */
  readonly mapping?: BudgetMapping;
  readonly hooks?: readonly TrainHook[];
  /** Stops the run after the current step. */
  readonly signal?: AbortSignal;
}

/** What a step leaves behind. */
interface Step {
  readonly record: StepRecord;
  /** `[B * P]`; absent for a static backbone. */
  readonly gates?: Float32Array;
}

/** Where a run stands. */
export interface TrainPosition {
  /** Steps done. */
  readonly step: number;
  readonly epoch: number;
  /** Batches of `epoch` that are done. */
  readonly batch: number;
}

function mappingOf({ budget }: TrainConfig): BudgetMapping {
  const { mapping, ratio, reduce } = budget;
  switch (mapping) {
    case "scale":
      return scaleBudget({ ratio, reduce });
    case "fixed":
      return fixedBudget({ ratio });
    case "loss":
      return lossAwareBudget({ ratio });
    case "custom":
      throw new ConfigError(
        'budget.mapping is "custom": pass that mapping to createTrainer, or choose "scale", "fixed" or "loss".',
      );
  }
}

/** A training run. It owns the optimiser; detector and batches stay the caller's. */
export class Trainer {
  readonly detector: Detector;
  readonly config: TrainConfig;
  readonly mapping: BudgetMapping;
  readonly optimizer: Optimizer;
  readonly totalSteps: number;
  readonly #batches: BatchSource;
  readonly #hooks: readonly TrainHook[];
  readonly #signal: AbortSignal | undefined;
  readonly #objective: ObjectiveOptions;
  #position: TrainPosition = { step: 0, epoch: 0, batch: 0 };

  constructor({ detector, batches, config, mapping, hooks = [], signal }: TrainerOptions) {
    if (batches.batchesPerEpoch < 1) {
      throw new ConfigError(
        "The data set gives no batch: no image is left to train on, or the batch is larger than it.",
      );
    }
    const { optimizer, schedule, budget, similarity } = config;
    this.detector = detector;
    // A checkpoint must not claim that a built-in mapping was used.
    this.config = mapping ? { ...config, budget: { ...budget, mapping: "custom" } } : config;
    this.mapping = mapping ?? mappingOf(config);
    this.#batches = batches;
    this.#hooks = hooks;
    this.#signal = signal;
    this.totalSteps = Math.min(
      schedule.epochs * batches.batchesPerEpoch,
      schedule.maxSteps ?? Number.POSITIVE_INFINITY,
    );
    const shared = {
      weightDecay: optimizer.weightDecay,
      clipNorm: optimizer.clipNorm,
      rateFactors: { bias: optimizer.biasLrFactor },
      decayFactors: { bias: optimizer.biasDecayFactor, norm: optimizer.normDecayFactor },
    };
    const parameters = detector.namedParameters();
    this.optimizer =
      optimizer.type === "sgd"
        ? createSgd(parameters, { ...shared, momentum: optimizer.momentum })
        : createAdamW(parameters, { ...shared, beta1: optimizer.momentum, beta2: optimizer.beta2 });
    this.#objective = {
      mapping: this.mapping,
      budgetWeight: budget.weight,
      similarityWeight: similarity.weight,
      similarity: { min: similarity.min, max: similarity.max },
      intervals: budget.intervals,
      pixels: budget.pixels,
    };
  }

  /** Where the run stands. */
  get position(): TrainPosition {
    return this.#position;
  }

  /** Goes on from a position; weights, momentum and mapping are restored apart from it. */
  resumeAt(position: TrainPosition): void {
    this.#position = position;
  }

  /**
   * Trains to the end, or until the signal asks to stop.
   *
   * @throws NonFiniteError when the objective or a gradient is not finite; the weights are those of the step before
   */
  async run(): Promise<void> {
    try {
      await this.#tell((hook) => hook.onStart?.(this));
      while (!this.#done()) await this.#epoch();
      await this.#tell((hook) => hook.onEnd?.(this));
    } catch (error) {
      await this.#tell((hook) => hook.onError?.(error, this));
      throw error;
    }
  }

  /** Frees the optimiser's state. */
  dispose(): void {
    this.optimizer.dispose();
  }

  #done(): boolean {
    return this.#position.step >= this.totalSteps || this.#signal?.aborted === true;
  }

  async #tell(call: (hook: TrainHook) => void | Promise<void>): Promise<void> {
    for (const hook of this.#hooks) await call(hook);
  }

  async #epoch(): Promise<void> {
    const { epoch, batch: startBatch } = this.#position;
    let asked = performance.now();
    for await (const batch of this.#batches.epoch(epoch, { startBatch })) {
      const waited = performance.now() - asked;
      const { record, gates } = await this.#step(batch, epoch, asked, waited);
      this.#position = { step: record.step, epoch, batch: this.#position.batch + 1 };
      if (gates) await this.#tell((hook) => hook.onGates?.(gates, epoch, this));
      await this.#tell((hook) => hook.onStep?.(record, this));
      if (this.#done()) break;
      asked = performance.now();
    }
    if (this.#position.batch >= this.#batches.batchesPerEpoch) {
      this.#position = { step: this.#position.step, epoch: epoch + 1, batch: 0 };
      await this.#tell((hook) => hook.onEpoch?.(epoch, this));
    } else if (!this.#done()) {
      throw new ConfigError(
        `Epoch ${epoch} ended after ${this.#position.batch} batches, ${this.#batches.batchesPerEpoch} were announced.`,
      );
    }
  }

  async #step(batch: TrainBatch, epoch: number, asked: number, waited: number): Promise<Step> {
    const { config, detector, optimizer } = this;
    const step = this.#position.step + 1;
    const rate = learningRate(step - 1, {
      ...config.schedule,
      base: config.optimizer.lr,
      stepsPerEpoch: this.#batches.batchesPerEpoch,
      totalSteps: this.totalSteps,
    });
    const regularize = epoch >= config.regularizeFromEpoch;
    const tensorsBefore = tf.memory().numTensors;
    const images = tf.tensor4d(batch.images, [...batch.shape]);
    const variables = [...detector.namedParameters().values()].map((p) => p.variable);
    // Running moments move in the forward pass, before anyone can see that the step fails.
    const moments = [...detector.namedBuffers().values()].map((v) => ({ v, before: tf.clone(v) }));
    let names: string[] = [];
    let scalars: tf.Tensor1D | undefined;
    let gates: tf.Tensor2D | undefined;
    let gradients: tf.NamedTensorMap = {};
    let norm: tf.Scalar | undefined;
    try {
      const result = variableGrads(() => {
        const { truths, sizes, imageIds } = batch;
        const objective = computeObjective(detector, { images, truths, sizes, imageIds }, this.#objective, regularize);
        names = Object.keys(objective.terms);
        scalars = tf.keep(tf.stack([objective.total, ...Object.values(objective.terms)]) as tf.Tensor1D);
        gates = objective.gates && tf.keep(tf.clone(objective.gates));
        return objective.total;
      }, variables);
      result.value.dispose();
      gradients = result.grads;
      norm = optimizer.gradientNorm(gradients);
      const [values, [gradientNorm], gateValues] = await Promise.all([
        scalars!.data(),
        norm.data<"float32">(),
        gates?.data<"float32">(),
      ]);
      const loss = Object.fromEntries([["total", values[0]!], ...names.map((name, i) => [name, values[i + 1]!])]);
      this.#checkFinite(step, batch, loss, gradientNorm!);
      optimizer.step(gradients, norm, rate);
      const seconds = (performance.now() - asked) / 1000;
      const record = {
        step,
        epoch,
        learningRate: rate,
        loss,
        gradientNorm: gradientNorm!,
        imagesPerSecond: batch.shape[0] / seconds,
        dataShare: waited / 1000 / seconds,
        ...(gateValues ? this.#routes(gateValues, batch) : {}),
        tensors: tensorsBefore,
        imageIds: batch.imageIds,
      };
      return gateValues ? { record, gates: gateValues } : { record };
    } catch (error) {
      for (const { v, before } of moments) v.assign(before);
      if (!(error instanceof NonFiniteError) || "step" in error.details) throw error;
      throw new NonFiniteError(`Step ${step}, images ${batch.imageIds.join(", ")}: ${error.message}`, {
        ...error.details,
        step,
        imageIds: batch.imageIds,
      });
    } finally {
      tf.dispose([images, scalars ?? [], gates ?? [], norm ?? [], gradients] as tf.TensorContainer);
      tf.dispose(moments.map(({ before }) => before));
    }
  }

  #routes(gates: Float32Array, { shape: [batch, height, width] }: TrainBatch): Pick<StepRecord, "madds" | "openPaths"> {
    const { nodeOfPath, threshold, cost } = this.detector.backbone.routing!;
    const open = gates.reduce((n, g) => n + (g >= threshold ? 1 : 0), 0);
    return {
      madds: spreadOf(executedCost(gates, nodeOfPath, cost(height, width), threshold)),
      openPaths: open / (batch * nodeOfPath.length),
    };
  }

  #checkFinite(step: number, batch: TrainBatch, loss: Record<string, number>, gradientNorm: number): void {
    const bad = Object.entries({ ...loss, gradientNorm }).filter(([, v]) => !Number.isFinite(v));
    if (bad.length === 0) return;
    throw new NonFiniteError(
      `Step ${step}: ${bad.map(([name, v]) => `${name} is ${v}`).join(", ")} for the images ${batch.imageIds.join(", ")}. ` +
        "Lower optimizer.lr, lengthen schedule.warmupSteps, or look at these images.",
      { step, loss, gradientNorm, imageIds: batch.imageIds },
    );
  }
}

/**
 * Sets up a training run from step 0.
 *
 * @param options detector, batches, configuration, hooks
 * @returns the run; `run()` it, and dispose it when done
 * @throws ConfigError when the batches are empty
 * @example await createTrainer({ detector, batches, config }).run()
 */
export function createTrainer(options: TrainerOptions): Trainer {
  return new Trainer(options);
}

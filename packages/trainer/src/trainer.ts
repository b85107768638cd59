// The training loop: batch → objective → gradients → clip → SGD → hooks. Where the batches come from, and what is done with the
// records, is others' business. The position (epoch, batch) and everything that a step depends on can be saved and restored.
import {
  type BudgetMapping,
  type Collective,
  ConfigError,
  createRandom,
  type GraphRecorder,
  NonFiniteError,
  type Random,
  singleProcess,
} from "@caddet/core";
import type { Detector } from "@caddet/detector";
import type { BatchSource, TrainBatch } from "./batches";
import { type CompiledForward, compiledForward } from "./compiled-forward";
import type { TrainConfig } from "./config";
import { mappingOf, optimizerOf } from "./configured-parts";
import type { Metrics, TrainHook } from "./hooks";
import { leakSentinel } from "./leak-sentinel";
import { freezeMoments, recomputeMoments } from "./moments";
import type { Optimizer } from "./optimizer";
import { checkSameRun, gatherRanks, meanMoments } from "./ranks";
import type { RankState, RunState, TrainPosition } from "./run-state";
import { learningRate } from "./schedule";
import { makeStep, type StepParts, type StepResult } from "./step";
import { WeightAverage } from "./weight-average";

/** Options of {@link createTrainer}. */
export interface TrainerOptions {
  readonly detector: Detector;
  readonly batches: BatchSource;
  readonly config: TrainConfig;
  /** Default: the one that `config.budget` names. */
  readonly mapping?: BudgetMapping;
  /**
   * The generator that the detector was built with. Where its gates are random, a run can only be resumed exactly with it. Of several
   * ranks, each gives one in the same state; all but rank 0's are set to sequences of their own.
   */
  readonly random?: Random;
  readonly hooks?: readonly TrainHook[];
  /** Stops the run after the current step; of several ranks, one that is asked stops all. */
  readonly signal?: Pick<AbortSignal, "aborted">;
  /**
   * The ranks that train together, each with its share of the batches and the same detector, configuration and position. Losses and gradients
   * are their means. Default: this process alone.
   */
  readonly collective?: Collective;
  /** Makes a graph of the detector's forward and backward pass: `graphRecorder()` of `@caddet/runtime/node`. Default none. */
  readonly graphs?: GraphRecorder | undefined;
}

// Steps between two checks that all ranks have the same weights.
const CHECK_EVERY = 100;

/** A training run. It owns the optimiser and the average; detector and batches stay the caller's. */
export class Trainer {
  readonly detector: Detector;
  readonly config: TrainConfig;
  readonly mapping: BudgetMapping;
  readonly optimizer: Optimizer;
  /** The moving average of the weights; undefined where `ema.decay` is null. */
  readonly average: WeightAverage | undefined;
  readonly totalSteps: number;
  readonly #batches: BatchSource;
  readonly #hooks: readonly TrainHook[];
  readonly #signal: Pick<AbortSignal, "aborted"> | undefined;
  readonly #collective: Collective;
  readonly #random: Random | undefined;
  readonly #parts: StepParts;
  readonly #compiled: CompiledForward | undefined;
  #position: TrainPosition = { step: 0, epoch: 0, batch: 0 };
  #nonFinite: RunState["nonFinite"] = { count: 0, avoided: [] };
  #evaluation: RunState["evaluation"] = null;
  #best: RunState["best"] = null;
  #stopped = false;
  // All ranks' at the last step.
  #ranks: readonly RankState[] = [];

  constructor(options: TrainerOptions) {
    const {
      detector,
      batches,
      config,
      mapping,
      random,
      hooks = [],
      signal,
      collective = singleProcess(),
      graphs,
    } = options;
    if (batches.batchesPerEpoch < 1) {
      throw new ConfigError(
        "The data set gives no batch: no image is left to train on, or the batch is larger than it.",
      );
    }
    if (collective.size > 1 && config.onNonFinite === "restore") {
      throw new ConfigError(
        `onNonFinite is "restore", which only a run of one process can do; this one has ${collective.size} ranks. Choose "skip" or "stop".`,
      );
    }
    const { schedule, budget, similarity } = config;
    this.detector = detector;
    // A checkpoint must not claim that a built-in mapping was used.
    this.config = mapping ? { ...config, budget: { ...budget, mapping: "custom" } } : config;
    this.mapping = mapping ?? mappingOf(config);
    this.#batches = batches;
    const all = config.leakSteps > 0 ? [leakSentinel(config.leakSteps), ...hooks] : hooks;
    this.#hooks = all.filter(({ everyRank }) => everyRank || collective.rank === 0);
    this.#signal = signal;
    this.#collective = collective;
    this.#random = random;
    // As many generators as ranks started alike, for the sake of the weights; the noise of the gates is each rank's own.
    if (collective.rank > 0) random?.restore(createRandom(random.int(2 ** 32), collective.rank).state());
    this.totalSteps = Math.min(
      schedule.epochs * batches.batchesPerEpoch,
      schedule.maxSteps ?? Number.POSITIVE_INFINITY,
    );
    this.optimizer = optimizerOf(detector, config);
    this.average = config.ema.decay === null ? undefined : new WeightAverage(detector, config.ema.decay);
    const checkpoint = config.memory.checkpoint === "layer";
    this.#compiled = graphs && compiledForward(detector, graphs, checkpoint);
    this.#parts = {
      detector,
      optimizer: this.optimizer,
      microBatch: config.data.microBatch ?? undefined,
      random,
      collective,
      objective: {
        mapping: this.mapping,
        budgetWeight: budget.weight,
        similarityWeight: similarity.weight,
        similarity: { min: similarity.min, max: similarity.max },
        intervals: budget.intervals,
        pixels: budget.pixels,
        checkpoint,
        forward: this.#compiled?.forward,
      },
    };
  }

  /** Where the run stands. */
  get position(): TrainPosition {
    return this.#position;
  }

  /** This process's among {@link TrainerOptions.collective}; 0 alone. */
  get rank(): number {
    return this.#collective.rank;
  }

  /** What a checkpoint holds beside weights, optimiser, mapping and position; while it runs, the same on all ranks. */
  get state(): RunState {
    const [first, ...others] = this.#ranks;
    return {
      random: first ? first.random : this.#drawn(),
      others,
      nonFinite: this.#nonFinite,
      evaluation: this.#evaluation,
      best: this.#best,
      ranks: this.#collective.size,
    };
  }

  /** Goes on from a position, and a state where there is one; weights, momentum and mapping are restored apart from it. */
  resumeAt(position: TrainPosition, state?: RunState): void {
    this.#position = position;
    if (!state) return;
    if (state.random) this.#random?.restore(state.random);
    this.#nonFinite = state.nonFinite;
    this.#evaluation = state.evaluation;
    this.#best = state.best;
  }

  /**
   * Trains to the end, or until the signal asks to stop.
   *
   * @throws NonFiniteError when the objective or a gradient is not finite and `onNonFinite` says so; the weights are those of the step before
   */
  async run(): Promise<void> {
    const isFrozen = this.config.batchNorm.mode === "frozen";
    try {
      if (isFrozen) freezeMoments(this.detector, true);
      await this.#check();
      await this.#share();
      await this.#tell((hook) => hook.onStart?.(this));
      while (!this.#done()) await this.#epoch();
      await this.#check();
      await this.#tell((hook) => hook.onEnd?.(this));
    } catch (error) {
      await this.#tell((hook) => hook.onError?.(error, this));
      throw error;
    } finally {
      if (isFrozen) freezeMoments(this.detector, false);
      for (const hook of [...this.#hooks].reverse()) await hook.onClose?.(this);
    }
  }

  /**
   * Runs something while the detector has its averaged weights, where the run keeps an average.
   *
   * @param use gets the weights that one would deploy
   * @returns what `use` returned
   */
  async withAverage<T>(use: () => Promise<T>): Promise<T> {
    this.average?.swap();
    try {
      return await use();
    } finally {
      this.average?.swap();
    }
  }

  /**
   * Takes note of an evaluation: of the weights as they are, or as {@link withAverage} gives them.
   *
   * @param metrics numbers by name
   * @throws ConfigError when the metric of `checkpoint.best` is not among them
   */
  async reportEvaluation(metrics: Metrics): Promise<void> {
    const { step } = this.#position;
    const { best: name, bestIs } = this.config.checkpoint;
    const value = name === null ? undefined : metrics[name];
    if (name !== null && value === undefined) {
      throw new ConfigError(
        `checkpoint.best: the evaluation has no "${name}". It has ${Object.keys(metrics).join(", ") || "nothing"}.`,
        { metric: name, known: Object.keys(metrics) },
      );
    }
    this.#evaluation = { step, metrics };
    if (value !== undefined && Number.isFinite(value)) {
      const gain = this.#best ? (value - this.#best.value) * (bestIs === "highest" ? 1 : -1) : 1;
      if (gain > 0) this.#best = { step, value };
    }
    await this.#tell((hook) => hook.onEvaluation?.(metrics, this));
  }

  /** Frees the optimiser's state, the average and the graphs. */
  dispose(): void {
    this.#compiled?.dispose();
    this.optimizer.dispose();
    this.average?.dispose();
  }

  #done(): boolean {
    // A signal comes to each rank at another time: they stop by what all of them heard at a step.
    const isAsked = this.#collective.size === 1 ? this.#signal?.aborted === true : this.#stopped;
    return this.#position.step >= this.totalSteps || isAsked;
  }

  #drawn(): RankState["random"] {
    return this.#random?.state() ?? null;
  }

  // A checkpoint is written by rank 0, whenever a hook there wants it: it has to know what the others have to themselves.
  async #share(): Promise<void> {
    if (this.#collective.size === 1) return;
    this.#ranks = await gatherRanks(this.#collective, {
      random: this.#drawn(),
      mapping: this.mapping.state?.() ?? null,
    });
  }

  #check(): Promise<void> {
    const { totalSteps } = this;
    return checkSameRun(this.#collective, this.detector, { step: this.#position.step, totalSteps });
  }

  async #tell(call: (hook: TrainHook) => void | Promise<void>): Promise<void> {
    for (const hook of this.#hooks) await call(hook);
  }

  async #epoch(): Promise<void> {
    const { epoch, batch: startBatch } = this.#position;
    let asked = performance.now();
    for await (const batch of this.#batches.epoch(epoch, { startBatch })) {
      const expected = this.#position.step + 1;
      try {
        await this.#take(batch, asked, performance.now() - asked);
      } finally {
        this.#batches.recycle?.(batch);
      }
      // The run was put back: what comes next is another batch.
      if (this.#position.step !== expected) return;
      if (this.#done()) break;
      asked = performance.now();
    }
    if (this.#position.step >= this.totalSteps) await this.#settleMoments(epoch);
    if (this.#position.batch >= this.#batches.batchesPerEpoch) {
      this.#position = { step: this.#position.step, epoch: epoch + 1, batch: 0 };
      await this.#tell((hook) => hook.onEpoch?.(epoch, this));
    } else if (!this.#done()) {
      throw new ConfigError(
        `Epoch ${epoch} ended after ${this.#position.batch} batches, ${this.#batches.batchesPerEpoch} were announced.`,
      );
    }
  }

  #advance(): void {
    const { step, epoch, batch } = this.#position;
    this.#position = { step: step + 1, epoch, batch: batch + 1 };
  }

  async #take(batch: TrainBatch, asked: number, waited: number): Promise<void> {
    const { epoch, batch: index } = this.#position;
    if (this.#nonFinite.avoided.some(([e, b]) => e === epoch && b === index)) {
      this.#advance();
      return;
    }
    let result: StepResult;
    try {
      result = await this.#step(batch, asked, waited);
    } catch (error) {
      if (!(error instanceof NonFiniteError)) throw error;
      await this.#survive(error, batch);
      return;
    }
    this.#advance();
    const { record, gates, stop } = result;
    this.#stopped = stop;
    await this.#share();
    if (record.step % CHECK_EVERY === 0) await this.#check();
    if (gates) await this.#tell((hook) => hook.onGates?.(gates, epoch, this));
    await this.#tell((hook) => hook.onStep?.(record, this));
  }

  async #step(batch: TrainBatch, asked: number, waited: number): Promise<StepResult> {
    const { config } = this;
    const { step, epoch } = this.#position;
    const rate = learningRate(step, {
      ...config.schedule,
      base: config.optimizer.lr,
      stepsPerEpoch: this.#batches.batchesPerEpoch,
      totalSteps: this.totalSteps,
    });
    const regularize = epoch >= config.regularizeFromEpoch;
    const result = await makeStep(this.#parts, batch, {
      step: step + 1,
      epoch,
      learningRate: rate,
      regularize,
      asked,
      waited,
      stop: this.#signal?.aborted === true,
    });
    this.average?.update(step + 1);
    return result;
  }

  // Goes on without the batch, from here or from the last checkpoint.
  async #survive(error: NonFiniteError, { imageIds }: TrainBatch): Promise<void> {
    const { onNonFinite: action, maxNonFinite } = this.config;
    const { step, epoch, batch } = this.#position;
    const count = this.#nonFinite.count + 1;
    if (action === "stop" || count > maxNonFinite) throw error;
    const { avoided } = this.#nonFinite;
    if (action === "skip") this.#advance();
    else if (!(await this.#restored())) {
      throw new NonFiniteError(
        `${error.message} onNonFinite is "restore", but no hook has a checkpoint to go back to: add checkpointHook, or choose "skip".`,
        error.details,
      );
    }
    this.#nonFinite = { count, avoided: action === "skip" ? avoided : [...avoided, [epoch, batch]] };
    const { message } = error;
    const event = { step: step + 1, epoch, imageIds, message, action, count };
    await this.#tell((hook) => hook.onNonFinite?.(event, this));
  }

  async #restored(): Promise<boolean> {
    for (const hook of this.#hooks) if (await hook.onRestore?.(this)) return true;
    return false;
  }

  // The same batches and random numbers for the weights and for their average.
  async #settleMoments(epoch: number): Promise<void> {
    const { preciseBatches: count } = this.config.batchNorm;
    if (count === 0) return;
    const { microBatch } = this.#parts;
    const drawn = this.#random?.state();
    const recompute = async () => {
      await recomputeMoments(this.detector, this.#batches.epoch(epoch), { count, microBatch });
      if (drawn) this.#random?.restore(drawn);
      await meanMoments(this.detector, this.#collective);
    };
    await recompute();
    if (this.average) await this.withAverage(recompute);
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

// What the ranks of a data-parallel run settle between them at each step: whether to go on, the mean of losses, gradients and running moments, and
// now and then whether they still are the same run. With one rank, nothing of it happens.
import { CaddetError, type Collective, meanGradients, NonFiniteError } from "@caddet/core";
import type { Detector } from "@caddet/detector";
import * as tf from "@tensorflow/tfjs-core";
import type { BatchGradients } from "./gradients";

/** The ranks of a run no longer have the same weights, or are not at the same step. */
export class RankDriftError extends CaddetError {
  constructor(message: string, details: { readonly step: number; readonly rank: number; readonly differs: boolean }) {
    super("rank-drift", message, details);
  }
}

/**
 * Asks all ranks some questions.
 *
 * @param collective the ranks
 * @param own this rank's answers
 * @returns for each question, whether any rank says yes
 */
export async function anyRank(collective: Collective, own: readonly boolean[]): Promise<boolean[]> {
  const answers = Float32Array.from(own, Number);
  await collective.allReduceMean([answers]);
  return Array.from(answers, (answer) => answer > 0);
}

// One number a rank, from all of them.
async function numbersOfAll(collective: Collective, own: number): Promise<number[]> {
  const numbers = new Float32Array(collective.size);
  numbers[collective.rank] = own;
  await collective.allReduceMean([numbers]);
  return Array.from(numbers, (mean) => Math.round(mean * collective.size));
}

/**
 * Gives each rank what all have.
 *
 * @param collective the ranks
 * @param own this rank's, which JSON can hold
 * @returns by rank, as JSON gives it back
 */
export async function gatherRanks<T>(collective: Collective, own: T): Promise<T[]> {
  const { rank, size } = collective;
  if (size === 1) return [own];
  const bytes = new TextEncoder().encode(JSON.stringify(own));
  const lengths = await numbersOfAll(collective, bytes.length);
  const ends = lengths.map((_, i) => lengths.slice(0, i + 1).reduce((a, b) => a + b, 0));
  const row = new Float32Array(ends[size - 1]!);
  row.set(bytes, ends[rank]! - bytes.length);
  await collective.allReduceMean([row]);
  const all = Uint8Array.from(row, (mean) => Math.round(mean * size));
  return ends.map((end, i) => JSON.parse(new TextDecoder().decode(all.subarray(end - lengths[i]!, end))) as T);
}

const parametersOf = (detector: Detector) => [...detector.namedParameters().values()].map(({ variable }) => variable);

/**
 * Makes the running moments those of all ranks on average.
 *
 * @param detector its buffers are changed
 * @param collective the ranks
 */
export async function meanMoments(detector: Detector, collective: Collective): Promise<void> {
  if (collective.size === 1) return;
  const buffers = [...detector.namedBuffers().values()];
  assignAll(buffers, await meanGradients(collective, buffers, byName(buffers)));
}

const byName = (variables: readonly tf.Variable[]) => Object.fromEntries(variables.map((v) => [v.name, v]));

function assignAll(variables: readonly tf.Variable[], values: tf.NamedTensorMap): void {
  for (const v of variables) {
    v.assign(values[v.name]!);
    values[v.name]!.dispose();
  }
}

async function meanOf(
  { names, scalars, gates, gradients }: BatchGradients,
  detector: Detector,
  collective: Collective,
): Promise<BatchGradients> {
  const terms = (await scalars.data<"float32">()).slice();
  await collective.allReduceMean([terms]);
  const buffers = [...detector.namedBuffers().values()];
  // One exchange for all: buffers travel as gradients do.
  const variables = [...parametersOf(detector), ...buffers];
  const means = await meanGradients(collective, variables, { ...gradients, ...byName(buffers) });
  assignAll(buffers, means);
  for (const { name } of buffers) delete means[name];
  return { names, scalars: tf.tensor1d(terms), gradients: means, ...(gates ? { gates: tf.clone(gates) } : {}) };
}

const free = ({ scalars, gates, gradients }: BatchGradients) =>
  tf.dispose([scalars, gates ?? [], gradients] as tf.TensorContainer);

/** Gradients that all ranks have, and whether any of them was asked to stop. */
export interface RankGradients {
  readonly made: BatchGradients;
  readonly stop: boolean;
}

/**
 * Has each rank make the gradients of its own batch, and gives all the means of terms and gradients. Running moments become means, too.
 *
 * @param collective the ranks
 * @param detector whose gradients and moments they are
 * @param make makes this rank's
 * @param asked whether this rank was asked to stop
 * @returns the means; the gates are this rank's. All tensors are the caller's
 * @throws NonFiniteError on all ranks when one throws it; what else `make` throws, on this rank alone
 */
export async function gradientsOfAll(
  collective: Collective,
  detector: Detector,
  make: () => Promise<BatchGradients>,
  asked: boolean,
): Promise<RankGradients> {
  if (collective.size === 1) return { made: await make(), stop: asked };
  let own: BatchGradients | undefined;
  try {
    let error: NonFiniteError | undefined;
    try {
      own = await make();
    } catch (thrown) {
      if (!(thrown instanceof NonFiniteError)) throw thrown;
      error = thrown;
    }
    const [failed, stop] = await anyRank(collective, [error !== undefined, asked]);
    if (error) throw error;
    if (failed || !own) throw new NonFiniteError("A loss of another rank is not finite.", { rank: collective.rank });
    return { made: await meanOf(own, detector, collective), stop: stop! };
  } finally {
    if (own) free(own);
  }
}

/** What a record says of the images of a step. */
export interface StepImages {
  readonly imageIds: readonly number[];
  /** `[B * P]`; absent for a static backbone. */
  readonly gates?: Float32Array | undefined;
}

// Float32 holds integers up to 2^24: ids go in two parts.
const LOW = 2 ** 20;

/**
 * Puts the images of all ranks in a row.
 *
 * @param collective the ranks, all with as many images
 * @param own this rank's
 * @returns those of rank 0, then those of rank 1, and so on
 */
export async function imagesOfAll(collective: Collective, own: StepImages): Promise<StepImages> {
  const { rank, size } = collective;
  if (size === 1) return own;
  const { imageIds, gates = [] } = own;
  const parts = [imageIds.map((id) => Math.floor(id / LOW)), imageIds.map((id) => id % LOW), gates];
  const rows = parts.map((part) => {
    const row = new Float32Array(part.length * size);
    row.set(part, part.length * rank);
    return row;
  });
  await collective.allReduceMean(rows);
  const [high, low, values] = rows.map((row) => row.map((mean) => mean * size)) as [
    Float32Array,
    Float32Array,
    Float32Array,
  ];
  const ids = Array.from(high, (part, i) => Math.round(part) * LOW + Math.round(low[i]!));
  return { imageIds: ids, gates: own.gates && values };
}

// FNV-1a over 32-bit words.
function mix(hash: number, words: Iterable<number>): number {
  let mixed = hash;
  for (const word of words) mixed = Math.imul(mixed ^ word, 0x01000193);
  return mixed;
}

/**
 * Makes sure that all ranks have the same weights, to the bit, and are at the same step.
 *
 * @param collective the ranks
 * @param detector whose weights they are
 * @param position step and number of steps
 * @throws RankDriftError on all ranks when one differs from rank 0
 */
export async function checkSameRun(
  collective: Collective,
  detector: Detector,
  position: { readonly step: number; readonly totalSteps: number },
): Promise<void> {
  if (collective.size === 1) return;
  const { step, totalSteps } = position;
  let hash = mix(0x811c9dc5 | 0, [step, totalSteps]);
  for (const variable of parametersOf(detector)) {
    const values = await variable.data<"float32">();
    hash = mix(hash, new Int32Array(values.buffer, values.byteOffset, values.length));
  }
  // Halves, which float32 holds exactly.
  const own = [hash >>> 16, hash & 0xffff];
  const first = Float32Array.from(own);
  await collective.broadcast([first]);
  const differs = own.some((half, i) => half !== first[i]);
  const [drifted] = await anyRank(collective, [differs]);
  if (!drifted) return;
  const { rank } = collective;
  throw new RankDriftError(
    `After step ${step} of ${totalSteps}, the ranks of this run differ; rank ${rank} ${differs ? "differs from" : "agrees with"} rank 0. ` +
      "Build the detector from the same seed on each, resume all from the same checkpoint, and give all the same number of batches.",
    { step, rank, differs },
  );
}

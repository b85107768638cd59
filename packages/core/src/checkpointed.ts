// Gradient checkpointing (Chen et al. 2016): a part of a network keeps its inputs only, and runs once more when its gradients are
// asked for. Memory for time; the gradients are the same to the bit. Which parts are worth it is the network's business.
import * as tf from "@tensorflow/tfjs-core";
import { CaddetError } from "./errors";
import { tidy } from "./memory";
import { backpropagate, ownEach, recordTape } from "./tape";

let recomputing = false;

/**
 * Whether what runs now ran before, in the forward pass: running moments and the like must not move again.
 *
 * @example if (!isRecomputing()) count += 1;
 */
export function isRecomputing(): boolean {
  return recomputing;
}

// The second run, with a tape.
function recompute<T>(run: () => T): ReturnType<typeof recordTape<T>> {
  const before = recomputing;
  recomputing = true;
  try {
    return recordTape(run);
  } finally {
    recomputing = before;
  }
}

function withoutTape<T>(run: () => T): T {
  const { state } = tf.engine();
  state.kernelDepth++;
  try {
    return run();
  } finally {
    state.kernelDepth--;
  }
}

/**
 * Runs a part of a network without keeping what lies between its inputs and outputs; its gradients are found by running it again.
 * Without a tape it is run as it is.
 *
 * @param run the part: synchronous, and it has to compute the same both times. Layers of this package do; what draws random numbers
 *   belongs outside, and what it shall do only once asks {@link isRecomputing}
 * @param inputs all tensors that gradients may go to, but for variables; `run` is given them, or copies, and leaves them alive
 * @param parameters all variables that `run` uses and gradients may go to
 * @returns the outputs, the caller's, differentiable once
 * @throws what `run` throws; the backward pass throws CaddetError where gradients of gradients are asked for
 * @example const [y] = checkpointed(([x]) => [block.apply(x)], [x], variables)
 */
export function checkpointed<X extends tf.Tensor, Y extends tf.Tensor>(
  run: (inputs: readonly X[]) => readonly Y[],
  inputs: readonly X[],
  parameters: readonly tf.Variable[],
): Y[] {
  const engine = tf.engine();
  const owned = (xs: readonly X[]) => ownEach(run(xs));
  if (!engine.isTapeOn()) return tidy(() => owned(inputs));
  const { state } = engine;
  const [outputs, saved] = withoutTape(() => [tidy(() => owned(inputs)), inputs.map((x) => tf.keep(tf.clone(x)))]);
  const sources = [...inputs, ...parameters];
  state.activeTape.push({
    id: state.nextTapeNodeId++,
    kernelName: "CaddetCheckpointed",
    inputs: Object.fromEntries(sources.entries()),
    outputs,
    saved,
    gradient: (dys) => {
      if (state.gradientDepth > 0) {
        throw new CaddetError("gradients", "A checkpointed part has no gradients of gradients: run it as it is.");
      }
      const { result, tape } = recompute(() => owned(saved));
      tf.dispose(result);
      const received = result.flatMap((y, i) => (dys[i] ? [{ y, dy: dys[i] }] : []));
      const [ys, given] = [received.map(({ y }) => y), received.map(({ dy }) => dy)];
      const found = backpropagate(tape, ys, given, [...saved, ...parameters]);
      const gradientOf = (i: number) => () => found[i] ?? tf.zerosLike(sources[i]!);
      return Object.fromEntries(sources.map((_, i) => [`${i}`, gradientOf(i)]));
    },
  });
  return outputs;
}

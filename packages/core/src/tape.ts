// A tape of one's own and the walk back along it. TensorFlow.js keeps all that a tape saved, and every gradient on the way, until its
// walk ends; here each goes as soon as the last node that needs it is behind. Gradients are summed in TensorFlow.js' order, and so are
// the same to the bit. First order only.
import * as tf from "@tensorflow/tfjs-core";
import { CaddetError, ShapeError } from "./errors";
import { tidy } from "./memory";

/** What ran, in order, each operation with what it saved for its gradient. */
export type Tape = ReturnType<typeof tf.engine>["state"]["activeTape"];

type TapeNode = Tape[number];

/** Frees what a tape saved. */
export function freeTape(tape: Tape): void {
  for (const { saved } of tape) tf.dispose(saved ?? []);
}

/**
 * Runs a function with a tape of its own, whatever tape is running. Who calls it frees the tape, or walks back along it.
 *
 * @param run a synchronous function
 * @returns its result, whose tensors stay alive, and the tape
 * @throws what `run` throws; the tape is freed then
 */
export function recordTape<T>(run: () => T): { result: T; tape: Tape } {
  const { state } = tf.engine();
  const { activeTape, gradientDepth } = state;
  const tape: Tape = [];
  state.activeTape = tape;
  state.gradientDepth = 1;
  try {
    return { result: tidy(run), tape };
  } catch (error) {
    freeTape(tape);
    throw error;
  } finally {
    state.activeTape = activeTape;
    state.gradientDepth = gradientDepth;
  }
}

/**
 * To be called as the last thing in a tidy: its tensors may be freed by whoever receives them. One that was made elsewhere, or that
 * comes twice, is cloned.
 */
export function ownEach<T extends tf.Tensor>(tensors: readonly T[]): T[] {
  const { id } = tf.engine().state.activeScope;
  return tensors.map((t, i) => (t.kept || t.scopeId !== id || tensors.indexOf(t) < i ? tf.clone(t) : t));
}

// Their saved input, the first, serves the filter's gradient alone: it goes before the input's gradient, a map as large, is made.
const CONVOLUTIONS: ReadonlySet<string> = new Set([tf.Conv2D, tf.DepthwiseConv2dNative]);

// The gradients of some of a node's inputs, which are the caller's to free.
function inputGradients(node: TapeNode, names: readonly string[], dys: (tf.Tensor | undefined)[]): tf.Tensor[] {
  const { kernelName, inputs, gradient, saved } = node;
  if (!gradient) throw new CaddetError("gradients", `${kernelName} has no gradient, but the loss goes through it.`);
  return tf.tidy(() => {
    const gradients = gradient(dys as tf.Tensor[]); // undefined stands for zeros
    const gradientOf = (name: string) => {
      const dx = tf.tidy(() => gradients[name]!());
      const { shape } = inputs[name]!;
      if (dx.dtype === "float32" && dx.shape.join() === shape.join()) return dx;
      throw new ShapeError(
        `The gradient of ${kernelName} by "${name}" is ${dx.dtype} [${dx.shape}]; it must be float32 [${shape}].`,
      );
    };
    if (!CONVOLUTIONS.has(kernelName)) return ownEach(names.map(gradientOf));
    const filter = names.includes("filter") ? gradientOf("filter") : undefined;
    saved?.[0]?.dispose();
    return ownEach(names.map((name) => (name === "filter" ? filter! : gradientOf(name))));
  });
}

// Tensors by id of which some go away on the way.
class Gradients {
  readonly #found = new Map<number, tf.Tensor>();

  get({ id }: tf.Tensor): tf.Tensor | undefined {
    return this.#found.get(id);
  }

  add({ id }: tf.Tensor, gradient: tf.Tensor): void {
    const before = this.#found.get(id);
    this.#found.set(id, before ? tf.add(before, gradient) : gradient);
    if (before) tf.dispose([before, gradient]);
  }

  free({ id }: tf.Tensor): void {
    this.#found.get(id)?.dispose();
    this.#found.delete(id);
  }
}

/**
 * Walks back along a tape and frees it.
 *
 * @param tape what {@link recordTape} gave
 * @param ys outputs
 * @param dys a gradient an output, of its shape
 * @param xs inputs and variables to differentiate by
 * @returns a gradient for each of `xs`, the caller's; undefined for one on which no output depends
 * @throws CaddetError when an operation on the way has no gradient, ShapeError when its gradient has another shape
 */
export function backpropagate(
  tape: Tape,
  ys: readonly tf.Tensor[],
  dys: readonly tf.Tensor[],
  xs: readonly tf.Tensor[],
): (tf.Tensor | undefined)[] {
  const wanted = new Set(xs.map(({ id }) => id));
  const reached = new Set(wanted);
  const steps = tape.flatMap((node) => {
    const names = Object.keys(node.inputs).filter((name) => reached.has(node.inputs[name]!.id));
    if (names.length === 0) return [];
    for (const { id } of node.outputs) reached.add(id);
    return [{ node, names }];
  });
  try {
    return tidy(() => {
      const gradients = new Gradients();
      for (const [i, y] of ys.entries()) gradients.add(y, tf.clone(dys[i]!));
      for (const { node, names } of steps.reverse()) {
        const received = node.outputs.map((y) => gradients.get(y));
        if (received.some((dy) => dy)) {
          const sent = inputGradients(node, names, received);
          for (const [i, name] of names.entries()) gradients.add(node.inputs[name]!, sent[i]!);
        }
        tf.dispose(node.saved ?? []);
        for (const y of node.outputs) if (!wanted.has(y.id)) gradients.free(y);
      }
      return xs.map((x) => gradients.get(x));
    });
  } finally {
    freeTape(tape);
  }
}

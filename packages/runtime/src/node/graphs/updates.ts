// The updates of SGD and AdamW for all parameters together, as one graph: on tfjs-node a launch for each parameter, or a loop in
// JavaScript, costs more than the arithmetic. Same meaning as the kernels for one parameter in ../../kernels/optimiser.ts.
import * as tf from "@tensorflow/tfjs-core";
import { isNativeCpu, type NativeBackend } from "../../kernels/native/backend";
import { ADAMW, SGD } from "../../kernels/optimiser";
import { type Plan, Program } from "./program";
import { Recording } from "./recording";

/**
 * Inputs `parameter0`, `gradient0`, `momentum0` (AdamW: `mean0`, `square0`), `parameter1` .. and `gradientScale []`; attributes those of
 * the kernel for one, but lists `learningRates` and `weightDecays` → the next parameter and slots, for one parameter after the other.
 */
export const SGD_ALL = `${SGD}All`;
export const ADAMW_ALL = `${ADAMW}All`;

type Scalars = Readonly<Record<string, tf.Tensor>>;

interface Update {
  /** Parameter, gradient, slots. */
  readonly tensors: readonly tf.Tensor[];
  readonly scalars: Scalars;
}

interface Rule {
  readonly kernel: string;
  readonly slots: readonly string[];
  /** Numbers that the updates of a rate and a decay take. */
  scalars(attrs: Readonly<Record<string, number>>, rate: number, decay: number): Readonly<Record<string, number>>;
  next(update: Update, gradientScale: tf.Tensor): tf.Tensor[];
}

const sgd: Rule = {
  kernel: SGD_ALL,
  slots: ["momentum"],
  scalars: ({ momentum }, rate, decay) => ({ rate, decay, friction: momentum! }),
  next: ({ tensors, scalars }, gradientScale) => {
    const [p, gradient, momentum] = tensors as [tf.Tensor, tf.Tensor, tf.Tensor];
    const { rate, decay, friction } = scalars as Required<Scalars>;
    const m = tf.addN([tf.mul(momentum, friction!), tf.mul(gradient, gradientScale), tf.mul(p, decay!)]);
    return [tf.sub(p, tf.mul(m, rate!)), m];
  },
};

const adamW: Rule = {
  kernel: ADAMW_ALL,
  slots: ["mean", "square"],
  scalars: ({ beta1, beta2, epsilon, step }, rate, decay) => ({
    kept: 1 - rate * decay,
    move: rate / (1 - beta1! ** step!),
    inverse: 1 / Math.sqrt(1 - beta2! ** step!),
    beta1: beta1!,
    rest1: 1 - beta1!,
    beta2: beta2!,
    rest2: 1 - beta2!,
    epsilon: epsilon!,
  }),
  next: ({ tensors, scalars }, gradientScale) => {
    const [p, gradient, mean, square] = tensors as [tf.Tensor, tf.Tensor, tf.Tensor, tf.Tensor];
    const { kept, move, inverse, beta1, rest1, beta2, rest2, epsilon } = scalars as Required<Scalars>;
    const g = tf.mul(gradient, gradientScale);
    const m = tf.add(tf.mul(mean, beta1!), tf.mul(g, rest1!));
    const v = tf.add(tf.mul(square, beta2!), tf.mul(tf.square(g), rest2!));
    const spread = tf.add(tf.mul(tf.sqrt(v), inverse!), epsilon!);
    return [tf.sub(tf.mul(p, kept!), tf.mul(tf.div(m, spread), move!)), m, v];
  },
};

// Vectors, which are the most and the smallest, go together by their scalars.
function nextOf(rule: Rule, updates: readonly Update[], gradientScale: tf.Tensor): tf.Tensor[][] {
  const next: tf.Tensor[][] = updates.map(() => []);
  const vectors = new Map<Scalars, number[]>();
  for (const [i, update] of updates.entries()) {
    const { scalars, tensors } = update;
    if (tensors[0]!.rank === 1) vectors.set(scalars, [...(vectors.get(scalars) ?? []), i]);
    else next[i] = rule.next(update, gradientScale);
  }
  for (const [scalars, members] of vectors) {
    const joined = updates[members[0]!]!.tensors.map((_, k) => tf.concat(members.map((i) => updates[i]!.tensors[k]!)));
    const sizes = members.map((i) => updates[i]!.tensors[0]!.size);
    for (const whole of rule.next({ tensors: joined, scalars }, gradientScale)) {
      const parts = tf.split(whole, sizes);
      for (const [k, i] of members.entries()) next[i]!.push(parts[k]!);
    }
  }
  return next;
}

interface Compiled {
  readonly program: Program;
  readonly plan: Plan;
  /** Where each of the plan's feeds is among the varying tensors. */
  readonly feeds: readonly number[];
}

// One model and some after it; each graph has a session.
const MOST_GRAPHS = 8;
const graphsOf = new WeakMap<object, Map<string, Compiled>>();

function updateAll(backend: NativeBackend, rule: Rule, inputs: tf.NamedTensorMap, attrs: tf.NamedAttrMap): tf.Tensor[] {
  const { learningRates, weightDecays } = attrs as Record<string, number[]>;
  // Most parameters share a rate and a decay.
  const pairs = learningRates!.map((rate, i) => `${rate}/${weightDecays![i]}`);
  const distinct = [...new Set(pairs)];
  const groups = distinct.map((pair) => {
    const i = pairs.indexOf(pair);
    const numbers = rule.scalars(attrs as Record<string, number>, learningRates![i]!, weightDecays![i]!);
    return Object.fromEntries(Object.entries(numbers).map(([name, value]) => [name, tf.scalar(value)]));
  });
  const names = ["parameter", "gradient", ...rule.slots];
  const updates = pairs.map((pair, i) => ({
    tensors: names.map((name) => inputs[`${name}${i}`]!),
    scalars: groups[distinct.indexOf(pair)]!,
  }));
  const { gradientScale } = inputs;
  const varying = [gradientScale!, ...groups.flatMap(Object.values<tf.Tensor>), ...updates.flatMap((u) => u.tensors)];
  const run = () => nextOf(rule, updates, gradientScale!).flat();

  const key = [rule.kernel, ...updates.map((u, i) => `${u.tensors[0]!.shape}:${distinct.indexOf(pairs[i]!)}`)].join(
    " ",
  );
  const graphs = graphsOf.get(backend) ?? new Map<string, Compiled>();
  graphsOf.set(backend, graphs);
  const graph = graphs.get(key);
  if (graph) return graph.plan.run(graph.feeds.map((i) => varying[i]!));
  if (graphs.size >= MOST_GRAPHS) return run();
  const recording = new Recording(backend);
  const results = recording.run(run, varying);
  const ids = varying.map((tensor) => recording.idOf(tensor));
  const program = new Program(backend, recording);
  const plan = program.plan(
    results.map((tensor) => recording.idOf(tensor)),
    0,
  );
  graphs.set(key, { program, plan, feeds: plan.feeds.map((id) => ids.indexOf(id)) });
  return results;
}

const kernelOf = (rule: Rule): tf.KernelConfig => ({
  kernelName: rule.kernel,
  backendName: "tensorflow",
  kernelFunc: ({ inputs, attrs, backend }) =>
    tf.tidy(() =>
      updateAll(backend as NativeBackend, rule, inputs as tf.NamedTensorMap, attrs as tf.NamedAttrMap),
    ) as tf.TensorInfo[],
});

/** Registers the updates for the backend `tensorflow`, where that is tfjs-node on a CPU. */
export function registerGraphUpdates(): void {
  const backend = tf.findBackend("tensorflow") as object | null;
  if (!backend || !isNativeCpu(backend)) return;
  for (const rule of [sgd, adamW]) {
    if (!tf.getKernel(rule.kernel, "tensorflow")) tf.registerKernel(kernelOf(rule));
  }
}

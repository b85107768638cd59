// A part of a network as one graph, where the backend can make one: it runs operation by operation twice, forward and backward, while
// they are noted, and as a graph from then on; the same values come out. Gradients go to the parameters, not to the inputs.
import * as tf from "@tensorflow/tfjs-core";
import { tidy } from "./memory";
import { backpropagate, ownEach, recordTape } from "./tape";

/** What was noted; tensors go by numbers. */
export interface GraphRecording {
  /** Why it cannot become a graph, if so. */
  readonly refusal: string | undefined;
  idOf(tensor: tf.TensorInfo): number;
  /** Runs a part and notes its operations; `varying` have other values next time. */
  run<T>(part: () => T, varying: readonly tf.Tensor[]): T;
  /** Equal for the same operations on the same constants. */
  signature(): string;
}

/** One way through a graph: what has to be fed, and what runs it. */
export interface GraphPlan {
  readonly feeds: readonly number[];
  /** Takes a tensor for each of `feeds`, gives one for each that is fetched, the caller's. */
  run(tensors: readonly tf.Tensor[]): tf.Tensor[];
}

/** A graph out of a recording. */
export interface GraphProgram {
  /** Fetches tensors by running nothing of what came before the given part of the recording. */
  plan(fetched: readonly number[], part: number): GraphPlan;
  dispose(): void;
}

/** Makes graphs of what ran; `graphRecorder` of `@caddet/runtime/node` gives one for tfjs-node. */
export interface GraphRecorder {
  record(): GraphRecording;
  compile(recording: GraphRecording): GraphProgram;
}

/** Options of {@link compiled}. */
export interface CompiledOptions {
  /**
   * Synchronous. It computes the same of the same inputs and variables: what else it takes must never change. It gives the same tensors,
   * in number and order, for inputs of the same shapes.
   */
  run(inputs: readonly tf.Tensor[]): readonly tf.Tensor[];
  /** All variables that it uses and gradients may go to. */
  readonly parameters: readonly tf.Variable[];
  /** All other variables that it uses, or moves. */
  readonly buffers: readonly tf.Variable[];
  readonly recorder: GraphRecorder;
  /** Most graphs, one for the inputs' shapes; further shapes run as they are. Default 8. */
  readonly most?: number;
}

/** A part that becomes a graph. */
export interface Compiled {
  /** As `run`; the outputs are the caller's, differentiable once by the parameters. */
  apply(inputs: readonly tf.Tensor[]): tf.Tensor[];
  /** Graphs that are there now. */
  readonly graphs: number;
  /** Why there will be none, if so. */
  readonly refusal: string | undefined;
  /** Frees the graphs. */
  dispose(): void;
}

// The tensors of one recording.
interface Noted {
  readonly recording: GraphRecording;
  /** Of the inputs and all variables before, in this order. */
  readonly sources: readonly number[];
  readonly outputs: readonly number[];
  /** Variables that it moved, by their index among the sources, and what to. */
  readonly moved: readonly { readonly index: number; readonly id: number }[];
}

interface Graph {
  readonly program: GraphProgram;
  readonly sources: ReadonlyMap<number, number>;
  readonly outputs: number;
  readonly moved: readonly number[];
  /** What the backward pass needs of the forward pass, by id; each is fetched behind outputs and moved variables. */
  readonly saved: ReadonlyMap<number, number>;
  readonly forward: GraphPlan;
  readonly backward: GraphPlan;
  /** Gradients of the outputs, by id. */
  readonly received: ReadonlyMap<number, number>;
  /** Parameters that get a gradient. */
  readonly reached: readonly number[];
}

interface Case {
  signature?: string;
  graph?: Graph;
}

const placesOf = (ids: readonly number[]) => new Map(ids.map((id, i) => [id, i]));

function graphOf(
  program: GraphProgram,
  { sources, outputs, moved }: Noted,
  received: readonly number[],
  sent: readonly (number | undefined)[],
): Graph {
  const gradients = sent.filter((id) => id !== undefined);
  const backward = program.plan(gradients, 1);
  const given = new Set([...received, ...sources]);
  const saved = backward.feeds.filter((id) => !given.has(id));
  const always = [...outputs, ...moved.map(({ id }) => id)];
  return {
    program,
    sources: placesOf(sources),
    outputs: outputs.length,
    moved: moved.map(({ index }) => index),
    saved: placesOf(saved),
    forward: program.plan([...always, ...saved], 0),
    backward,
    received: placesOf(received),
    reached: [...sent.keys()].filter((i) => sent[i] !== undefined),
  };
}

/**
 * Makes a part of a network that becomes a graph. Its first two passes of an input size, forward and backward, note the operations; if
 * both were the same, the third and later ones run a graph, else none ever does. Without a tape it always runs as it is.
 *
 * @param options the part, its variables and what makes graphs
 * @returns the part; dispose it when done, after the last backward pass
 * @example const part = compiled({ run: ([x]) => [block.apply(x as tf.Tensor4D)], parameters, buffers, recorder })
 */
export function compiled({ run, parameters: all, buffers, recorder, most = 8 }: CompiledOptions): Compiled {
  const parameters = all.filter(({ trainable }) => trainable);
  const variables = [...parameters, ...all.filter(({ trainable }) => !trainable), ...buffers];
  const cases = new Map<string, Case>();
  const graphs = () => [...cases.values()].filter(({ graph }) => graph).length;
  let refusal: string | undefined;

  type Gradient = (dys: readonly tf.Tensor[]) => readonly (tf.Tensor | undefined)[];
  const pushNode = (outputs: tf.Tensor[], saved: tf.Tensor[], gradient: Gradient): void => {
    const { state } = tf.engine();
    const shapes = outputs.map(({ shape }) => shape);
    state.activeTape.push({
      id: state.nextTapeNodeId++,
      kernelName: "CaddetCompiled",
      inputs: Object.fromEntries(parameters.entries()),
      outputs,
      saved,
      gradient: (dys) => {
        const received: (tf.Tensor | undefined)[] = dys;
        const found = gradient(shapes.map((shape, i) => received[i] ?? tf.zeros(shape)));
        return Object.fromEntries(parameters.map((p, i) => [`${i}`, () => found[i] ?? tf.zerosLike(p)]));
      },
    });
  };

  const keep = (
    entry: Case,
    noted: Noted,
    received: readonly number[],
    sent: readonly (number | undefined)[],
  ): void => {
    const { recording } = noted;
    refusal ??= recording.refusal;
    if (refusal !== undefined || entry.graph) return;
    const signature = recording.signature();
    if (entry.signature === undefined) entry.signature = signature;
    else if (entry.signature !== signature) refusal = "its operations or constants were not the same twice";
    else if (graphs() < most) entry.graph = graphOf(recorder.compile(recording), noted, received, sent);
  };

  const note = (inputs: readonly tf.Tensor[], entry: Case): tf.Tensor[] => {
    const recording = recorder.record();
    const varying = [...inputs, ...variables];
    const sources = varying.map((tensor) => recording.idOf(tensor));
    const { result, tape } = recording.run(() => recordTape(() => ownEach(run(inputs))), varying);
    const outputs = result.map((y) => recording.idOf(y));
    const moved = varying.flatMap((tensor, index) => {
      const id = recording.idOf(tensor);
      return id === sources[index] ? [] : [{ index, id }];
    });
    const saved = tape.flatMap((node) => node.saved ?? []);
    pushNode(result, saved, (dys) => {
      const received = dys.map((dy) => recording.idOf(dy));
      const found = recording.run(() => backpropagate(tape, result, dys, parameters), dys);
      const sent = found.map((gradient) => gradient && recording.idOf(gradient));
      keep(entry, { recording, sources, outputs, moved }, received, sent);
      return found;
    });
    return result;
  };

  const replay = (inputs: readonly tf.Tensor[], graph: Graph): tf.Tensor[] => {
    const { sources, outputs, moved, saved, forward, backward, received, reached } = graph;
    const varying = [...inputs, ...variables];
    const fetched = tidy(() => {
      const all = withoutTape(() => forward.run(forward.feeds.map((id) => varying[sources.get(id)!]!)));
      for (const [k, index] of moved.entries()) (varying[index] as tf.Variable).assign(all[outputs + k]!);
      return all.filter((_, k) => k < outputs || k >= outputs + moved.length);
    });
    const ys = fetched.slice(0, outputs);
    // A tape frees what it saved; of what is not the part's own, that has to be a copy.
    const copies = new Map<number, tf.Tensor>();
    for (const id of backward.feeds) {
      const index = sources.get(id);
      if (index !== undefined)
        copies.set(
          id,
          withoutTape(() => tf.keep(tf.clone(varying[index]!))),
        );
    }
    const own = fetched.slice(outputs).map((tensor) => tf.keep(tensor));
    pushNode(ys, [...own, ...copies.values()], (dys) => {
      const feeds = backward.feeds.map((id) => {
        const [place, dy] = [saved.get(id), received.get(id)];
        return place !== undefined ? own[place]! : dy !== undefined ? dys[dy]! : copies.get(id)!;
      });
      const gradients = backward.run(feeds);
      const found: (tf.Tensor | undefined)[] = parameters.map(() => undefined);
      for (const [k, i] of reached.entries()) found[i] = gradients[k]!;
      return found;
    });
    return ys;
  };

  return {
    apply(inputs) {
      const key = inputs.map(({ shape }) => shape.join("x")).join();
      const entry = cases.get(key) ?? {};
      cases.set(key, entry);
      const isFull = !entry.graph && graphs() >= most;
      if (refusal !== undefined || isFull || !tf.engine().isTapeOn()) return tidy(() => ownEach(run(inputs)));
      return entry.graph ? replay(inputs, entry.graph) : note(inputs, entry);
    },
    get graphs() {
      return graphs();
    },
    get refusal() {
      return refusal;
    },
    dispose() {
      for (const { graph } of cases.values()) graph?.program.dispose();
      cases.clear();
    },
  };
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

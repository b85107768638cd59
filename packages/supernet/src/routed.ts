// The routed executor: closed paths and dropped nodes are not computed (paper §3.1, inference). It means the same as dense.ts in
// inference mode, and runs the parts of a supernet or of its frozen form. One gate read a layer; each node runs once, on the images of
// the batch that need it.
import { type FeaturePyramid, type RoutedOutput, tidy } from "@caddet/core";
import * as tf from "@tensorflow/tfjs-core";
import type { InferencePlan, LayerSteps, NodeStep } from "./layer-plan";
import { type PackedMaps, rowsOf, sumTerms, type Term } from "./packed-maps";
import type { PathKind } from "./routing-space";

/** What a routed forward pass may be told. */
export interface RoutedForwardOptions {
  /** `[B * P]`, row-major: gates to use in place of the routers'. */
  readonly gates?: Float32Array;
}

/** A network in parts, in inference mode. `node` is an index in the routing space. */
export interface InferenceParts {
  /** Channels of every scale. */
  readonly channels: readonly number[];
  /** Gates below are closed (τ). */
  readonly threshold: number;
  readonly gateValue: "soft" | "binary";
  /** `[B, H, W, 3]` to the map of scale 0. */
  stem(images: tf.Tensor4D): tf.Tensor4D;
  /** `y = ReLU(block(x) + x)`. */
  block(node: number, x: tf.Tensor4D): tf.Tensor4D;
  /** What goes along one path, before its gate. `upSize` is the exact size of the finer scale. */
  path(node: number, kind: PathKind, y: tf.Tensor4D, upSize: readonly [number, number] | undefined): tf.Tensor4D;
  /** Gates `[B, K]` of one layer's K paths. `inputs` is by scale; undefined, and images that are not in it, stand for zeros. */
  gates(layer: number, inputs: readonly (PackedMaps | undefined)[], batch: number, plan: InferencePlan): tf.Tensor2D;
  /** The last layer's maps to C3..C7. */
  pyramid(maps: readonly tf.Tensor4D[]): FeaturePyramid;
}

/** The state of one forward pass. */
interface Pass {
  readonly parts: InferenceParts;
  readonly plan: InferencePlan;
  readonly all: readonly number[];
  readonly pathCount: number;
  /** `[B * P]`: the gates as decided on. */
  readonly gates: Float32Array;
  /** `[B]`: what ran. */
  readonly madds: Float64Array;
}

type GateOf = (image: number, path: number) => number;

const shapeAt = ({ parts, plan }: Pass, scale: number): [number, number, number] => {
  return [...plan.sizes[scale]!, parts.channels[scale]!];
};

async function readGates(
  { parts, plan, all }: Pass,
  layer: number,
  inputs: readonly (PackedMaps | undefined)[],
): Promise<Float32Array> {
  const gates = tf.tidy(() => parts.gates(layer, inputs, all.length, plan));
  try {
    return await gates.data<"float32">();
  } finally {
    gates.dispose();
  }
}

// Runs one node on the images that need it, and adds what it sends to the terms of the scales that receive it.
function runNode(
  pass: Pass,
  { index, scale, paths }: NodeStep,
  x: PackedMaps | undefined,
  gateOf: GateOf,
  incoming: readonly Term[][],
): void {
  const { parts, plan, all, pathCount, gates, madds } = pass;
  const takers = paths.map(({ path }) => all.filter((b) => gateOf(b, path) >= parts.threshold));
  const running = all.filter((b) => takers.some((some) => some.includes(b)));
  const passing = x ? x.images.filter((b) => !running.includes(b)) : [];
  if (passing.length > 0) {
    const rows = rowsOf(x, passing, shapeAt(pass, scale));
    // A map that is passed on whole is shared, not copied: the clone lets its predecessor go.
    const map = rows === x!.map ? tf.clone(rows) : rows;
    incoming[scale]!.push({ map, images: passing, factors: passing.map(() => 1) });
  }
  if (running.length === 0) return;
  for (const b of running) madds[b]! += plan.cost.perNode[index]!;
  const shape = shapeAt(pass, scale);
  const y = { map: parts.block(index, rowsOf(x, running, shape)), images: running };
  for (const [k, { path, kind, target }] of paths.entries()) {
    const images = takers[k]!;
    if (images.length === 0) continue;
    const factors = images.map((b) => (parts.gateValue === "binary" ? 1 : gateOf(b, path)));
    const map = parts.path(index, kind, rowsOf(y, images, shape), plan.sizes[scale - 1]);
    incoming[target]!.push({ map, images, factors });
    for (const [j, b] of images.entries()) {
      gates[b * pathCount + path] = factors[j]!;
      madds[b]! += plan.cost.perPath[path]!;
    }
  }
}

function runLayer(
  pass: Pass,
  { nodes, reached }: LayerSteps,
  inputs: readonly (PackedMaps | undefined)[],
  gateOf: GateOf,
): (PackedMaps | undefined)[] {
  const incoming = pass.parts.channels.map((): Term[] => []);
  for (const node of nodes) runNode(pass, node, inputs[node.scale], gateOf, incoming);
  return incoming.slice(0, reached).map((terms, s) => sumTerms(terms, shapeAt(pass, s)));
}

const disposeMaps = (packed: readonly (PackedMaps | undefined)[]) => {
  for (const maps of packed) maps?.map.dispose();
};

/**
 * Runs what the gates of each image ask for.
 *
 * @param parts the network
 * @param plan for the images' size
 * @param images `[B, H, W, 3]`
 * @param options gates to force
 * @returns pyramid, gates as decided on (closed ones 0) and executed MAdds of blocks and paths
 */
export async function forwardRouted(
  parts: InferenceParts,
  plan: InferencePlan,
  images: tf.Tensor4D,
  { gates: forced }: RoutedForwardOptions,
): Promise<RoutedOutput> {
  const batch = images.shape[0];
  const all = Array.from({ length: batch }, (_, b) => b);
  const pathCount = plan.cost.perPath.length;
  const gates = new Float32Array(batch * pathCount);
  const pass: Pass = { parts, plan, all, pathCount, gates, madds: new Float64Array(batch) };
  let inputs: (PackedMaps | undefined)[] = [{ map: tf.tidy(() => parts.stem(images)), images: all }]; // by scale
  try {
    for (const [l, layer] of plan.layers.entries()) {
      const own = forced ?? (await readGates(pass, l, inputs));
      const [columns, first] = forced ? [pathCount, 0] : [layer.pathCount, layer.firstPath];
      const received = inputs;
      inputs = tidy(() => runLayer(pass, layer, received, (b, path) => own[b * columns + path - first]!));
      disposeMaps(received);
    }
    const maps = inputs;
    const features = tidy(() => parts.pyramid(maps.map((x, s) => rowsOf(x, all, shapeAt(pass, s)))));
    return { features, gates, madds: pass.madds };
  } finally {
    disposeMaps(inputs);
  }
}

// The supernet as ONNX nodes: stem, routing space, pyramid (paper §3.1, §3.4). One description for all modes: what a mode knows
// beforehand leaves no branch behind, what it does not becomes an `If`. It means the same as the supernet's routed executor.
import type { Size } from "@caddet/core";
import { type RoutingNode, type Supernet, scaleSizes } from "@caddet/supernet";
import { enlarge } from "./enlarge";
import type { LayerGates, NodeGates, PathGate } from "./gates";
import type { Condition, Scope, Value } from "./graph";
import { createGrid, type Grid } from "./grid";
import { convolve, separable } from "./layers";
import type { ValueInfo } from "./model-proto";
import type { Weights } from "./weights";

/** A node of a layer, as those see it who decide about it. */
export interface DecidedNode {
  readonly node: RoutingNode;
  /** Names and nodes of its router. */
  readonly scope: Scope;
  /** Averages its input to `bins` × `bins` cells: `[B, bins², C]`. */
  pool(bins: number): Value;
}

/** Decides about the nodes of one layer. */
export type Decide = (scope: Scope, nodes: readonly DecidedNode[]) => LayerGates;

/** Options of {@link buildSupernet}. */
export interface SupernetGraphOptions {
  readonly net: Supernet;
  readonly weights: Weights;
  /** `[B, 3, H, W]`, normalised. */
  readonly images: Value;
  readonly decide: Decide;
  /** Of the input, where it is fixed. */
  readonly size?: Size | undefined;
  /** Whether the graph may branch. */
  readonly branches: boolean;
}

/** What the supernet gives inside the graph. */
export interface SupernetGraph {
  /** `[B, C, H, W]` each: C3..C7. */
  readonly features: readonly Value[];
  /** `[B, P]`, of a frozen route `[1, P]`. */
  readonly gates: Value;
  /** `[B]`, of a frozen route `[1]`, double: MAdds of blocks and paths. */
  readonly madds: Value;
  /** The shapes of the maps between layers. */
  readonly values: readonly ValueInfo[];
}

/** One of the maps that a node receives. */
interface Term {
  readonly map: Value;
  /** Absent where the map has been multiplied already. */
  readonly factor?: Value | undefined;
}

/** What a node receives from one side: it finds out which maps are there, and goes on with these in that branch. */
type Source = (scope: Scope, next: (branch: Scope, terms: readonly Term[]) => Value) => Value;

// Stands for a map that is not there; no one reads it.
const nothing = (scope: Scope): Value => scope.floats([0], [1, 1, 1, 1]);

const relu = (scope: Scope, x: Value, name = "relu") => scope.op("Relu", [x], {}, name);

const scaled = (scope: Scope, x: Value, factor: Value | undefined) =>
  factor === undefined ? x : scope.op("Mul", [x, factor], {}, "gated");

// A map that is there under a condition.
const whereOpen =
  (open: Condition, term: Term): Source =>
  (scope, next) =>
    scope.when(
      open,
      "sum",
      (branch) => next(branch, [term]),
      (branch) => next(branch, []),
    );

// What a node gives its own scale: its map along keep, and its input for images that drop it; the input as it is where all do.
const ownMap =
  ([x, y]: readonly [Value, Value], gates: NodeGates, keep: PathGate, factor: Value | undefined): Source =>
  (scope, next) =>
    scope.when(
      gates.runs,
      "own",
      (ran) =>
        whereOpen(keep.open, { map: y, factor })(ran, (branch, kept) =>
          branch.when(
            gates.drops,
            "sum",
            (mixed) => next(mixed, [...kept, { map: x, factor: gates.dropped(mixed) }]),
            (all) => next(all, kept),
          ),
        ),
      (dropped) => next(dropped, [{ map: x }]),
    );

/**
 * Sums the maps that are there. Which ones are is found source by source, so that absent maps cost nothing: neither zeros nor additions.
 */
function sumOpen(scope: Scope, sources: readonly Source[], shape: Value, taken: readonly Term[] = []): Value {
  const [first, ...rest] = sources;
  if (first) return first(scope, (branch, terms) => sumOpen(branch, rest, shape, [...taken, ...terms]));
  if (taken.length === 0) return scope.op("ConstantOfShape", [shape], {}, "zeros");
  return taken
    .map(({ map, factor }) => scaled(scope, map, factor))
    .reduce((sum, map) => scope.op("Add", [sum, map], {}, "sum"));
}

function block(scope: Scope, input: Value, weights: Weights, sepConvs: number): Value {
  // Changes nothing, but lets onnxruntime's CPU kernels take the residual in their own layout, and so add it within the convolution:
  // 3% of a dynamic model's time.
  const x = scope.op("MaxPool", [input], { kernel_shape: [1, 1] }, "input");
  let y = x;
  for (let i = 0; i < sepConvs; i++) {
    const at = scope.at(`${i}`);
    const linear = separable(at, y, weights.at(`block.${i}`));
    y = relu(at, i === sepConvs - 1 ? at.op("Add", [linear, x], {}, "residual") : linear);
  }
  return y;
}

// What a node computes where it runs.
function runBlock(scope: Scope, x: Value, weights: Weights, sepConvs: number, runs: Condition): Value {
  if (runs === false) return x; // no one reads it
  return scope.when(
    runs,
    "block",
    (branch) => block(branch === scope ? scope.at("block") : branch, x, weights, sepConvs),
    nothing,
  );
}

/** The four maps that a node sends at most, by the scale that receives them. */
function sendPaths(
  scope: Scope,
  { net, weights }: Pick<SupernetGraphOptions, "net" | "weights">,
  node: RoutingNode,
  [x, y]: readonly [Value, Value],
  gates: NodeGates,
  grid: Grid,
  send: (scale: number, source: Source) => void,
): void {
  const { scale } = node;
  const { channels } = net.space.shape;
  for (const [k, path] of node.paths.entries()) {
    const gate: PathGate = gates.paths[k]!;
    const { open, factor, gain } = gate;
    const { kind } = net.space.paths[path]!;
    if (kind === "keep") {
      const own = gain === undefined || gain === 1 ? factor : scope.floats(gain);
      send(scale, ownMap([x, y], gates, gate, own));
      continue;
    }
    if (open === false) continue;
    const part = weights.at(kind);
    const map = scope.when(
      open,
      kind,
      (branch) => {
        const at = branch === scope ? scope.at(kind) : branch;
        const options = {
          norm: part.at("norm"),
          stride: kind === "down" ? 2 : 1,
          ...(gain === undefined ? {} : { gain }),
        };
        const changed = relu(at, convolve(at, y, part.at("conv"), options));
        if (kind === "down") return scaled(at, changed, factor);
        return enlarge(at, changed, { scale, channels: channels[scale - 1]!, grid, factor });
      },
      nothing,
    );
    send(scale + (kind === "up" ? -1 : 1), whereOpen(open, { map }));
  }
}

// MAdds of a batch: what each image opens times what it costs, which is a number a cell of one scale's map. `flags` is by layer.
function countMadds(scope: Scope, net: Supernet, grid: Grid, flags: readonly Value[]): Value {
  const { space } = net;
  const scales = space.shape.channels.length;
  const side = 8 * 2 ** scales;
  const cost = net.cost({ height: side, width: side });
  const cellsAt = (s: number) => (side / 8 / 2 ** s) ** 2;
  const columns = flags.flatMap((_, layer) => {
    const nodes = [...space.nodes.entries()].filter(([, node]) => node.layer === layer);
    const paths = nodes
      .flatMap(([, node]) => node.paths)
      .map((path) => {
        const { kind, from } = space.paths[path]!;
        return { madds: cost.perPath[path]!, scale: space.nodes[from]!.scale + (kind === "down" ? 1 : 0) };
      });
    const blocks = nodes.map(([n, { scale }]) => ({ madds: cost.perNode[n]!, scale }));
    return [...paths, ...blocks, ...blocks.map(({ scale }) => ({ madds: 0, scale }))]; // dropped nodes cost nothing
  });
  const cells = scope.op("Gather", [grid.cells, scope.ints(columns.map(({ scale }) => scale))]);
  const perCell = scope.ints(columns.map(({ madds, scale }) => madds / cellsAt(scale)));
  const each = scope.op("Mul", [cells, perCell], {}, "each");
  const counted = scope.op("Cast", [scope.op("Concat", flags, { axis: 1 }, "flags")], { to: 7 });
  const sum = scope.op("ReduceSum", [scope.op("Mul", [counted, each]), scope.ints([1])], { keepdims: 0 }, "sum");
  return scope.op("Cast", [sum], { to: 11 });
}

/**
 * Adds a supernet to a graph.
 *
 * @param scope the main graph
 * @param options network, weights, input, and who decides
 * @returns pyramid, gates and MAdds
 */
export function buildSupernet(scope: Scope, options: SupernetGraphOptions): SupernetGraph {
  const { net, weights, images, decide, size, branches } = options;
  const { space } = net;
  const { channels, layers, sepConvs } = space.shape;
  const stem = scope.at("stem");
  const finest = [0, 1, 2].reduce((x, i) => {
    const at = stem.at(`${i}`);
    return relu(at, separable(at, x, weights.at(`stem.${i}`), 2));
  }, images);
  const grid = createGrid(scope.at("grid"), { channels, finest, size, branches });
  const fixed = size && scaleSizes(size, channels.length);
  const decided: LayerGates[] = [];
  const between = new Map<string, ValueInfo>();
  let maps = [finest];
  for (let layer = 0; layer < layers; layer++) {
    const incoming = channels.map((): Source[] => []);
    const nodes = space.nodes.filter((node) => node.layer === layer);
    const received = maps;
    const gates = decide(
      scope.at(`layer_${layer}/gates`),
      nodes.map((node) => {
        const at = scope.at(`node_${layer}_${node.scale}/router`);
        return { node, scope: at, pool: (bins) => grid.pool(at, received[node.scale]!, node.scale, bins) };
      }),
    );
    decided.push(gates);
    for (const [i, node] of nodes.entries()) {
      const at = scope.at(`node_${layer}_${node.scale}`);
      const x = maps[node.scale]!;
      const own = weights.at(`nodes.${layer}_${node.scale}`);
      const y = runBlock(at, x, own, sepConvs, gates.nodes[i]!.runs);
      sendPaths(at, { net, weights: own }, node, [x, y], gates.nodes[i]!, grid, (to, source) =>
        incoming[to]!.push(source),
      );
    }
    const reached = layer + 1 < layers ? Math.min(layer + 2, channels.length) : channels.length;
    maps = incoming
      .slice(0, reached)
      .map((sources, s) => sumOpen(scope.at(`layer_${layer}/scale_${s}`), sources, grid.shapeAt(s)));
    for (const [s, name] of maps.entries()) {
      const shape = ["batch", channels[s]!, ...(fixed?.[s] ?? [`rows_${s}`, `columns_${s}`])];
      between.set(name, { name, type: "float", shape });
    }
  }
  const project = maps.map((x, s) => convolve(scope.at(`project_${s}`), x, weights.at(`project.${s}`)));
  const extra = convolve(scope.at("extra"), project[project.length - 1]!, weights.at("extra"), { stride: 2 });
  return {
    features: [...project, extra],
    gates: scope.op(
      "Concat",
      decided.map(({ values }) => values),
      { axis: 1 },
      "decided_gates",
    ),
    madds: countMadds(
      scope.at("cost"),
      net,
      grid,
      decided.map(({ flags }) => flags),
    ),
    values: [...between.values()],
  };
}

// What decides about the paths of a layer inside the graph: gates where the model routes by itself, constants where a route is frozen
// in. Sections 3.1 and 3.4 of the paper. A layer at once, since each operation costs a launch; the logits are router-graph.ts's.
import type { GateSettings } from "@caddet/router";
import type { Condition, Scope, Value } from "./graph";

/** What decides about one path of a node. */
export interface PathGate {
  /** Whether an image of the batch needs it. */
  readonly open: Condition;
  /** `[B, 1, 1, 1]`: multiplies what it carries; absent for 1. */
  readonly factor?: Value;
  /** Multiplies what it carries, known now. Default 1. */
  readonly gain?: number;
}

/** What decides about a node. */
export interface NodeGates {
  /** Whether an image of the batch needs its block. */
  readonly runs: Condition;
  /** In the order of the node's paths. */
  readonly paths: readonly PathGate[];
  /** Whether an image of the batch drops it, so that its input goes on along keep. */
  readonly drops: Condition;
  /** `[B, 1, 1, 1]`: 1 for images that drop it. Asked for where some run the node and some drop it. */
  dropped(scope: Scope): Value;
}

/** What decides about a layer of n nodes and K paths. */
export interface LayerGates {
  /** By scale. */
  readonly nodes: readonly NodeGates[];
  /** `[B, K]` float: gates as decided on; of a frozen route `[1, K]`. */
  readonly values: Value;
  /** `[B, K + 2n]` float, 1 for: an open path, a node that runs, a node that is dropped; of a frozen route `[1, K + 2n]`. */
  readonly flags: Value;
}

/** How gates are taken. */
export interface RoutingSettings {
  readonly gate: GateSettings;
  /** τ: gates below are closed. */
  readonly threshold: number;
  readonly gateValue: "soft" | "binary";
  /** Whether the graph branches, or computes everything and multiplies. */
  readonly branches: boolean;
}

const toFloat = (scope: Scope, x: Value, name?: string) => scope.op("Cast", [x], { to: 1 }, name);

function applyGate(scope: Scope, logits: Value, gate: GateSettings): Value {
  const sigmoid = () => scope.op("Sigmoid", [logits]);
  switch (gate.kind) {
    case "tanh":
      return scope.op("Relu", [scope.op("Tanh", [logits])], {}, "soft");
    case "sigmoid": {
      const soft = sigmoid();
      const open = scope.op("GreaterOrEqual", [soft, scope.floats(gate.threshold)]);
      return scope.op("Where", [open, soft, scope.floats(0)], {}, "soft");
    }
    case "hard-concrete": {
      const scaled = scope.op("Mul", [sigmoid(), scope.floats(gate.zeta - gate.gamma)]);
      const stretched = scope.op("Add", [scaled, scope.floats(gate.gamma)]);
      return scope.op("Clip", [stretched, scope.floats(0), scope.floats(1)], {}, "soft");
    }
    case "gumbel":
      return toFloat(scope, scope.op("GreaterOrEqual", [logits, scope.floats(0)]), "soft");
  }
}

// Groups a layer's values by node: the first are the paths', in order.
function byNode<T>(counts: readonly number[], values: readonly T[]): T[][] {
  const ends = counts.map((_, i) => counts.slice(0, i + 1).reduce((a, b) => a + b));
  return ends.map((end, i) => values.slice(end - counts[i]!, end));
}

// What follows from open paths, in one product that is clipped to 0 and 1: the paths themselves, nodes that run, nodes that are dropped.
// [B, K] to [B, K + 2n]
function flagsOf(scope: Scope, open: Value, counts: readonly number[]): Value {
  const total = counts.reduce((a, b) => a + b, 0);
  const nodes = counts.length;
  const nodeOf = counts.flatMap((count, node) => Array<number>(count).fill(node));
  const columns = total + 2 * nodes;
  const matrix = new Float32Array(total * columns);
  for (const [path, node] of nodeOf.entries()) {
    matrix[path * columns + path] = 1;
    matrix[path * columns + total + node] = 1;
    matrix[path * columns + total + nodes + node] = -1;
  }
  const offsets = Float32Array.from({ length: columns }, (_, i) => Number(i >= total + nodes));
  const sums = scope.op("Gemm", [open, scope.floats(matrix, [total, columns]), scope.floats(offsets)], {}, "sums");
  return scope.op("Clip", [sums, scope.floats(0), scope.floats(1)], {}, "flags");
}

/**
 * The gates of a layer and what follows from them.
 *
 * @param scope names and nodes
 * @param logits `[B, K]`
 * @param counts K_i, the paths of each node
 * @param settings gate, threshold, value
 * @returns the decisions about the layer
 */
export function routedGates(
  scope: Scope,
  logits: Value,
  counts: readonly number[],
  settings: RoutingSettings,
): LayerGates {
  const total = counts.reduce((a, b) => a + b, 0);
  const nodes = counts.length;
  const soft = applyGate(scope, logits, settings.gate); // [B, K]
  const isOpen = scope.op("GreaterOrEqual", [soft, scope.floats(settings.threshold)], {}, "is_open");
  const open = toFloat(scope, isOpen, "open");
  const values =
    settings.gateValue === "binary" ? open : scope.op("Where", [isOpen, soft, scope.floats(0)], {}, "values");
  const flags = flagsOf(scope, open, counts);
  const shaped = scope.op("Reshape", [values, scope.ints([-1, total, 1, 1])], {}, "factors");
  const factors = total === 1 ? [shaped] : scope.ops("Split", [shaped], total, { axis: 1 }, "factor"); // [B, 1, 1, 1] each
  const conditions: Condition[] = settings.branches
    ? conditionsOf(scope, flags, total + 2 * nodes)
    : Array<Condition>(total + 2 * nodes).fill(true);
  const gates = factors.map((factor, i): PathGate => ({ open: conditions[i]!, factor }));
  const decided = byNode(counts, gates).map((paths, i): NodeGates => {
    const dropped = (at: Scope) => {
      const column = at.op("Gather", [flags, at.ints([total + nodes + i])], { axis: 1 });
      return at.op("Reshape", [column, at.ints([-1, 1, 1, 1])], {}, "dropped");
    };
    return { runs: conditions[total + i]!, paths, drops: conditions[total + nodes + i]!, dropped };
  });
  return { nodes: decided, values, flags };
}

// Whether any image of the batch has a 1: a condition for each column.
function conditionsOf(scope: Scope, flags: Value, columns: number): Value[] {
  const most = scope.op("ReduceMax", [flags], { axes: [0], keepdims: 1 });
  const any = scope.op("Cast", [most], { to: 9 }, "any");
  return scope.ops("Split", [any], columns, { axis: 1 }, "needed"); // [1, 1] each
}

/**
 * The decisions about a layer whose route is frozen in.
 *
 * @param scope names and nodes
 * @param gates `[K_i]` of each node
 * @param settings threshold and value
 * @returns the decisions about the layer, none of them left to the graph
 */
export function frozenGates(
  scope: Scope,
  gates: readonly (readonly number[])[],
  { threshold, gateValue }: Pick<RoutingSettings, "threshold" | "gateValue">,
): LayerGates {
  const nodes = gates.map((own): NodeGates => {
    const paths = own.map((gate): PathGate => {
      const open = gate >= threshold;
      return { open, gain: open && gateValue === "binary" ? 1 : gate };
    });
    const runs = paths.some(({ open }) => open === true);
    return { runs, paths, drops: !runs, dropped: (at) => at.floats(1) };
  });
  const paths = nodes.flatMap((node) => node.paths);
  const row = (values: readonly number[]) => scope.floats(values, [1, values.length]);
  return {
    nodes,
    values: row(paths.map(({ open, gain }) => (open ? gain! : 0))),
    flags: row(
      [...paths, ...nodes.map(({ runs }) => ({ open: runs })), ...nodes.map(({ drops }) => ({ open: drops }))].map(
        ({ open }) => Number(open),
      ),
    ),
  };
}

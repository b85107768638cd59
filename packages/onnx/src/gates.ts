// What decides about the paths of a layer inside the graph: routers and their gates where the model routes by itself, constants where
// a route is frozen in. Sections 3.1 and 3.4 of the paper. A layer at once, since each operation costs a launch.
import type { Condition, Scope, Value } from "./graph";
import type { GateKind } from "./router-kind";
import type { Weights } from "./weights";

/** What decides about one path of a node, or about its input being passed on. */
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
  /** For images that drop the node: its input goes on along keep. */
  readonly pass: PathGate;
}

/** What decides about a layer of n nodes and K paths. */
export interface LayerGates {
  /** By scale. */
  readonly nodes: readonly NodeGates[];
  /** `[B, K]` float: gates as decided on; of a frozen route `[1, K]`. */
  readonly values: Value;
  /** `[B, K]` float: 1 for an open path; of a frozen route `[1, K]`. */
  readonly open: Value;
  /** `[B, n]` float: 1 for a node that runs; of a frozen route `[1, n]`. */
  readonly runs: Value;
}

/** How gates are taken. */
export interface GateSettings {
  readonly gate: GateKind;
  /** τ: gates below are closed. */
  readonly threshold: number;
  readonly gateValue: "soft" | "binary";
  /** Whether the graph branches, or computes everything and multiplies. */
  readonly branches: boolean;
}

const toFloat = (scope: Scope, x: Value, name?: string) => scope.op("Cast", [x], { to: 1 }, name);

function applyGate(scope: Scope, logits: Value, gate: GateKind): Value {
  const sigmoid = () => scope.op("Sigmoid", [logits]);
  switch (gate) {
    case "tanh":
      return scope.op("Relu", [scope.op("Tanh", [logits])], {}, "soft");
    case "sigmoid": {
      const soft = sigmoid();
      const open = scope.op("GreaterOrEqual", [soft, scope.floats(0.5)]);
      return scope.op("Where", [open, soft, scope.floats(0)], {}, "soft");
    }
    case "hard-concrete": {
      const stretched = scope.op("Sub", [scope.op("Mul", [sigmoid(), scope.floats(1.2)]), scope.floats(0.1)]);
      return scope.op("Clip", [stretched, scope.floats(0), scope.floats(1)], {}, "soft");
    }
    case "gumbel":
      return toFloat(scope, scope.op("GreaterOrEqual", [logits, scope.floats(0)]), "soft");
  }
}

/**
 * The logits of a pool router.
 *
 * @param scope names and nodes
 * @param pooled `[B, 4, C]`, a row a cell
 * @param weights of the router
 * @returns `[B, K]`
 */
export function routerLogits(scope: Scope, pooled: Value, weights: Weights): Value {
  const squeeze = weights.get("squeeze.weight"); // [1, 1, C, hidden]
  const gate = weights.get("gate.weight"); // [hidden, K]
  const matrix = scope.weight("squeeze/weight", squeeze.data, squeeze.shape.slice(2));
  const bias = weights.get("squeeze.bias").data;
  const product = scope.op("MatMul", [pooled, matrix], {}, "squeeze/product");
  const inner = scope.op("Relu", [scope.op("Add", [product, scope.weight("squeeze/bias", bias, [bias.length])])]);
  const average = scope.op("ReduceMean", [inner], { axes: [1], keepdims: 0 }); // [B, hidden]
  const gateBias = weights.get("gate.bias").data;
  const linear = [
    scope.weight("gate/weight", gate.data, gate.shape),
    scope.weight("gate/bias", gateBias, [gateBias.length]),
  ];
  return scope.op("Gemm", [average, ...linear], {}, "logits");
}

// Groups a layer's values by node: the first are the paths', in order.
function byNode<T>(counts: readonly number[], values: readonly T[]): T[][] {
  const ends = counts.map((_, i) => counts.slice(0, i + 1).reduce((a, b) => a + b));
  return ends.map((end, i) => values.slice(end - counts[i]!, end));
}

/**
 * The gates of a layer and what follows from them.
 *
 * @param scope names and nodes
 * @param logits `[B, K_i]` of each node
 * @param counts K_i, the paths of each node
 * @param settings gate, threshold, value
 * @returns the decisions about the layer
 */
export function routedGates(
  scope: Scope,
  logits: readonly Value[],
  counts: readonly number[],
  settings: GateSettings,
): LayerGates {
  const total = counts.reduce((a, b) => a + b, 0);
  const nodes = counts.length;
  const soft = applyGate(scope, scope.op("Concat", logits, { axis: 1 }, "logits"), settings.gate); // [B, K]
  const isOpen = scope.op("GreaterOrEqual", [soft, scope.floats(settings.threshold)], {}, "is_open");
  const open = toFloat(scope, isOpen, "open");
  const values =
    settings.gateValue === "binary" ? open : scope.op("Where", [isOpen, soft, scope.floats(0)], {}, "values");
  const membership = counts.flatMap((count, node) =>
    Array.from({ length: count }, () => Array.from({ length: nodes }, (_, i) => Number(i === node))),
  );
  const opened = scope.op("MatMul", [open, scope.floats(membership.flat(), [total, nodes])], {}, "opened");
  const runs = scope.op("Min", [opened, scope.floats(1)], {}, "runs"); // [B, n]
  const dropped = scope.op("Sub", [scope.floats(1), runs], {}, "dropped"); // [B, n]
  const all = scope.op("Concat", [values, dropped], { axis: 1 });
  const shaped = scope.op("Reshape", [all, scope.ints([-1, total + nodes, 1, 1])], {}, "factors");
  const factors = scope.ops("Split", [shaped], total + nodes, { axis: 1 }, "factor"); // [B, 1, 1, 1] each
  const conditions: Condition[] = settings.branches
    ? conditionsOf(scope, [open, dropped, runs], total + 2 * nodes)
    : Array<Condition>(total + 2 * nodes).fill(true);
  const gates = factors.map((factor, i): PathGate => ({ open: conditions[i]!, factor }));
  const paths = byNode(counts, gates);
  const decided = paths.map((own, i): NodeGates => {
    return { runs: conditions[total + nodes + i]!, paths: own, pass: gates[total + i]! };
  });
  return { nodes: decided, values, open, runs };
}

// Whether any image of the batch has a 1: a condition for each column.
function conditionsOf(scope: Scope, flags: readonly Value[], columns: number): Value[] {
  const joined = scope.op("Concat", flags, { axis: 1 }); // [B, columns]
  const most = scope.op("ReduceMax", [joined], { axes: [0], keepdims: 1 });
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
  { threshold, gateValue }: Pick<GateSettings, "threshold" | "gateValue">,
): LayerGates {
  const nodes = gates.map((own): NodeGates => {
    const paths = own.map((gate): PathGate => {
      const open = gate >= threshold;
      return { open, gain: open && gateValue === "binary" ? 1 : gate };
    });
    const runs = paths.some(({ open }) => open === true);
    return { runs, paths, pass: { open: !runs } };
  });
  const paths = nodes.flatMap((node) => node.paths);
  const row = (values: readonly number[]) => scope.floats(values, [1, values.length]);
  return {
    nodes,
    values: row(paths.map(({ open, gain }) => (open ? gain! : 0))),
    open: row(paths.map(({ open }) => Number(open))),
    runs: row(nodes.map(({ runs }) => Number(runs))),
  };
}

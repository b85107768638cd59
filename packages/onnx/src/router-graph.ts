// The pool routers of one layer as ONNX nodes (paper, Section 3.4), up to their logits. All of a layer at once: what comes after the
// first matrix is so small that it costs its launches alone. Which routers these are is told by their settings, not found here.
import { ConfigError, type Router } from "@caddet/core";
import type { GateSettings, PoolRouter, PoolRouterSettings } from "@caddet/router";
import type { Scope, Value } from "./graph";
import type { Weights } from "./weights";

/** A router of a layer. */
export interface RouterPart {
  /** Names and nodes of its own. */
  readonly scope: Scope;
  /** `[B, cells, C]`: its features, averaged. */
  readonly pooled: Value;
  readonly weights: Weights;
}

/** What is common to all routers of a supernet that can be exported. */
export interface RouterSettings {
  readonly gate: GateSettings;
  /** Cells a side. */
  readonly pool: number;
}

/**
 * Reads a router's settings.
 *
 * @param router any
 * @param weights of the router
 * @param name for error texts
 * @returns its gate and cells
 * @throws ConfigError for a router that is not `createPoolRouter`'s, or whose gate is not one of @caddet/router's
 * @example routerSettings(supernet.nodes[0].router, weights, "node 0_0")
 */
export function routerSettings(router: Router, weights: Weights, name: string): RouterSettings {
  const { settings } = router as Router & Partial<Pick<PoolRouter, "settings">>;
  if (settings?.gate && holds(weights, settings)) return { gate: settings.gate, pool: settings.pool };
  const got = settings ? "a gate of its own" : "a router of its own";
  throw new ConfigError(
    `The router of ${name} cannot be exported, it has ${got}: it should be createPoolRouter's with a gate of @caddet/router.`,
    { name },
  );
}

// Another class may call something else its settings.
function holds(weights: Weights, { channels, hidden, paths }: PoolRouterSettings): boolean {
  const sizes: [string, readonly number[]][] = [
    ["squeeze.weight", [1, 1, channels, hidden]],
    ["squeeze.bias", [hidden]],
    ["gate.weight", [hidden, paths]],
    ["gate.bias", [paths]],
  ];
  return sizes.every(([array, shape]) => weights.has(array) && `${weights.get(array).shape}` === `${shape}`);
}

const joined = (scope: Scope, values: readonly Value[], axis: number, name: string) =>
  values.length === 1 ? values[0]! : scope.op("Concat", values, { axis }, name);

const flat = (parts: readonly Float32Array[]) => Float32Array.from(parts.flatMap((part) => Array.from(part)));

/**
 * The logits of a layer's routers.
 *
 * @param scope names and nodes of the layer
 * @param routers in the order of their nodes
 * @returns `[B, K]`, the paths of all
 */
export function layerLogits(scope: Scope, routers: readonly RouterPart[]): Value {
  const products = routers.map(({ scope: at, pooled, weights }) => {
    const { data, shape } = weights.get("squeeze.weight"); // [1, 1, C, hidden]
    return at.op("MatMul", [pooled, at.weight("squeeze/weight", data, shape.slice(2))], {}, "squeeze");
  });
  const get = (array: string) => routers.map(({ weights }) => weights.get(array));
  const squeezeBias = flat(get("squeeze.bias").map(({ data }) => data));
  const sums = scope.op("Add", [
    joined(scope, products, 2, "squeezed"),
    scope.weight("squeeze/bias", squeezeBias, [squeezeBias.length]),
  ]);
  const average = scope.op("ReduceMean", [scope.op("Relu", [sums])], { axes: [1], keepdims: 0 }); // [B, sum of hidden]
  const gateBias = flat(get("gate.bias").map(({ data }) => data));
  const [rows, columns] = [squeezeBias.length, gateBias.length];
  // Each router's matrix on the diagonal.
  const matrix = new Float32Array(rows * columns);
  let [row, column] = [0, 0];
  for (const { data, shape } of get("gate.weight")) {
    const [hidden, paths] = shape as [number, number];
    for (let h = 0; h < hidden; h++)
      matrix.set(data.subarray(h * paths, (h + 1) * paths), (row + h) * columns + column);
    row += hidden;
    column += paths;
  }
  const linear = [scope.weight("gate/weight", matrix, [rows, columns]), scope.weight("gate/bias", gateBias, [columns])];
  return scope.op("Gemm", [average, ...linear], {}, "logits");
}

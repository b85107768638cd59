// Sum of paths weighted by gates, the join of a routed node, and its gradient: kernels of our own.
import type { NamedTensorInfoMap, TensorInfo } from "@tensorflow/tfjs-core";
import { expectShape } from "./geometry";
import { addressOf, type Heap, inputOf, makeOutput, sizeOf, wasmKernel, withScratch } from "./heap";

/** Inputs `gates [B, K]` and `x0` .. `x{K-1}`, each `[B, ...]` of one shape → the sum of `gates[:, k] · xk`. */
export const GATED_SUM = "CaddetGatedSum";
/** Inputs `dy`, `gates`, `x0` .. → `dgates [B, K]`, `dx0` .. `dx{K-1}`. */
export const GATED_SUM_GRAD = "CaddetGatedSumGrad";

/** The maps `x0` .. that the gates weigh. */
export function pathsOf(kernel: string, inputs: NamedTensorInfoMap, gates: TensorInfo): TensorInfo[] {
  const count = gates.shape[1] ?? 0;
  const paths = Array.from({ length: count }, (_, k) => inputOf(kernel, inputs, `x${k}`));
  const shape = inputOf(kernel, inputs, "x0").shape;
  for (const [k, path] of paths.entries()) expectShape(kernel, `x${k}`, path, shape);
  expectShape(kernel, "gates", gates, [shape[0] ?? 1, count]);
  return paths;
}

/** Runs `use` with a table of the tensors' addresses. */
function withTable(heap: Heap, tensors: readonly TensorInfo[], use: (table: number) => void): void {
  const addresses = tensors.map((tensor) => addressOf(heap, tensor));
  withScratch(heap, addresses.length * 4, (table) => {
    new Uint32Array(heap.backend.wasm.asm.memory.buffer, table, addresses.length).set(addresses);
    use(table);
  });
}

export const gatedSumKernel = wasmKernel(GATED_SUM, (heap, inputs) => {
  const gates = inputOf(GATED_SUM, inputs, "gates");
  const paths = pathsOf(GATED_SUM, inputs, gates);
  const shape = paths[0]!.shape;
  const images = shape[0] ?? 1;
  const out = makeOutput(heap, shape);
  withTable(heap, paths, (table) =>
    heap.exports.gatedSum(
      addressOf(heap, gates),
      table,
      paths.length,
      addressOf(heap, out),
      images,
      sizeOf(shape.slice(1)),
    ),
  );
  return out;
});

export const gatedSumGradKernel = wasmKernel(GATED_SUM_GRAD, (heap, inputs) => {
  const dy = inputOf(GATED_SUM_GRAD, inputs, "dy");
  const gates = inputOf(GATED_SUM_GRAD, inputs, "gates");
  const paths = pathsOf(GATED_SUM_GRAD, inputs, gates);
  const shape = paths[0]!.shape;
  expectShape(GATED_SUM_GRAD, "dy", dy, shape);
  const dgates = makeOutput(heap, gates.shape);
  const dpaths = paths.map(() => makeOutput(heap, shape));
  withTable(heap, [...paths, ...dpaths], (table) =>
    heap.exports.gatedSumGrad(
      addressOf(heap, dy),
      addressOf(heap, gates),
      table,
      table + paths.length * 4,
      paths.length,
      addressOf(heap, dgates),
      shape[0] ?? 1,
      sizeOf(shape.slice(1)),
    ),
  );
  return [dgates, ...dpaths];
});

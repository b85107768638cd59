// The sum of maps weighted by gates, and its gradient, out of libtensorflow's operations: gates are taken apart once, and nothing is
// copied to be multiplied.
import type { NamedTensorInfoMap, TensorInfo } from "@tensorflow/tfjs-core";
import { GATED_SUM, GATED_SUM_GRAD, pathsOf } from "../gates";
import { expectShape } from "../geometry";
import { inputOf } from "../heap";
import { type Handle, type Native, nativeKernel, whole } from "./backend";

/** Gates `[B, K]` as K tensors `[B, 1, ...]` that broadcast over maps of this rank. */
function split(native: Native, gates: TensorInfo, rank: number): Handle[] {
  const [images, count] = gates.shape as [number, number];
  const ones = new Array<number>(rank - 1).fill(1);
  const spread = native.reshape(native.idOf(gates), [images, ...ones, count]);
  return native.run("Unpack", [spread], { T: native.float, num: whole(count), axis: whole(rank) }, count);
}

function operands(kernel: string, inputs: NamedTensorInfoMap) {
  const gates = inputOf(kernel, inputs, "gates");
  return { gates, maps: pathsOf(kernel, inputs, gates) };
}

export const nativeGatedSum = nativeKernel(GATED_SUM, (native, inputs) => {
  const { gates, maps } = operands(GATED_SUM, inputs);
  const factors = split(native, gates, maps[0]!.shape.length);
  const products = maps.map((map, k) => native.op("Mul", [native.idOf(map), factors[k]!.id]));
  if (products.length === 1) return products[0]!;
  const ids = products.map(({ id }) => id);
  return native.op("AddN", ids, { N: whole(ids.length) });
});

export const nativeGatedSumGrad = nativeKernel(GATED_SUM_GRAD, (native, inputs) => {
  const { gates, maps } = operands(GATED_SUM_GRAD, inputs);
  const dy = inputOf(GATED_SUM_GRAD, inputs, "dy");
  const { shape } = maps[0]!;
  expectShape(GATED_SUM_GRAD, "dy", dy, shape);
  const factors = split(native, gates, shape.length);
  const at = native.idOf(dy);
  const axes = native.ints(shape.map((_, axis) => axis).slice(1));
  const sums = maps.map((map) => {
    const product = native.op("Mul", [native.idOf(map), at]).id;
    return native.op("Sum", [product, axes], { keep_dims: false, Tidx: native.int32 }).id; // [B]
  });
  const dgates = native.op("Pack", sums, { N: whole(sums.length), axis: whole(1) });
  return [dgates, ...factors.map(({ id }) => native.op("Mul", [at, id]))];
});

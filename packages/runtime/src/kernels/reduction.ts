// Sum and Mean over neighbouring axes of a float32 tensor. tfjs's wasm backend transposes first where the axes are not the
// last ones. Other dtypes and scattered axes stay with it.
import { Mean, Sum, type TensorInfo, util } from "@tensorflow/tfjs-core";
import { addressOf, makeOutput, replacement, sizeOf, withScratch } from "./heap";

/** Sizes before, within and after the reduced axes; undefined where they are not neighbours, axes of size 1 aside. */
function split(shape: readonly number[], axes: readonly number[]): [number, number, number] | undefined {
  const wide = axes.filter((axis) => shape[axis] !== 1);
  if (wide.length === 0) return [sizeOf(shape), 1, 1];
  const first = Math.min(...wide);
  const last = Math.max(...wide);
  for (let axis = first; axis <= last; axis++) {
    if (shape[axis] !== 1 && !axes.includes(axis)) return undefined;
  }
  return [sizeOf(shape.slice(0, first)), sizeOf(shape.slice(first, last + 1)), sizeOf(shape.slice(last + 1))];
}

function reduction(kernel: string, average: boolean) {
  return replacement(kernel, (heap, inputs, attrs) => {
    const x = inputs.x as TensorInfo;
    if (x.dtype !== "float32" || sizeOf(x.shape) === 0) return undefined;
    const axes = util.parseAxisParam(attrs.axis as number | number[], x.shape);
    const sizes = split(x.shape, axes);
    if (!sizes) return undefined;
    const [outer, rows, channels] = sizes;
    const shape = x.shape.flatMap((size, axis) => (axes.includes(axis) ? (attrs.keepDims ? [1] : []) : [size]));
    const out = makeOutput(heap, shape);
    const { exports } = heap;
    const factor = average ? 1 / rows : 1;
    if (channels === 1) exports.rowSums(addressOf(heap, x), outer, rows, addressOf(heap, out), factor);
    else {
      withScratch(heap, exports.columnSumsScratch(channels), (scratch) =>
        exports.columnSums(addressOf(heap, x), outer, rows, channels, addressOf(heap, out), factor, scratch),
      );
    }
    return out;
  });
}

/** `x`, attributes `axis` and `keepDims` → the sum. */
export const sumKernel = reduction(Sum, false);
/** `x`, attributes `axis` and `keepDims` → the mean. */
export const meanKernel = reduction(Mean, true);

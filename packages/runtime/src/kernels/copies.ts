// GatherV2 along one axis and Tile: copies of whole slices, where tfjs's wasm backend goes element by element. Tensors of
// four-byte elements; others, and gathers with batch dimensions, stay with tfjs.
import { GatherV2, type TensorInfo, Tile, util } from "@tensorflow/tfjs-core";
import { RuntimeError } from "../errors";
import { addressOf, makeOutput, replacement, sizeOf, withScratch } from "./heap";

const isFourBytes = (tensor: TensorInfo) => tensor.dtype === "float32" || tensor.dtype === "int32";

/** `x`, `indices` int32, attribute `axis` → x's slices that the indices name. */
export const gatherKernel = replacement(GatherV2, (heap, inputs, attrs) => {
  const x = inputs.x as TensorInfo;
  const indices = inputs.indices as TensorInfo;
  if (!isFourBytes(x) || indices.dtype !== "int32" || attrs.batchDims) return undefined;
  const axis = util.parseAxisParam(attrs.axis as number, x.shape)[0] ?? 0;
  const dimension = x.shape[axis] ?? 0;
  const count = sizeOf(indices.shape);
  const ids = new Int32Array(heap.backend.wasm.asm.memory.buffer, addressOf(heap, indices), count);
  const outside = ids.find((id) => id < 0 || id >= dimension);
  if (outside !== undefined) {
    throw new RuntimeError(
      "kernel-input",
      `GatherV2 got index ${outside} for axis ${axis} of size ${dimension}; expected 0 to ${dimension - 1}.`,
    );
  }
  const [before, after] = [x.shape.slice(0, axis), x.shape.slice(axis + 1)];
  const out = makeOutput(heap, [...before, ...indices.shape, ...after], x.dtype);
  heap.exports.gatherSlices(
    addressOf(heap, x),
    addressOf(heap, indices),
    addressOf(heap, out),
    sizeOf(before),
    dimension,
    count,
    sizeOf(after),
  );
  return out;
});

/** `x`, attribute `reps`, one number an axis → x repeated along each axis. */
export const tileKernel = replacement(Tile, (heap, inputs, attrs) => {
  const x = inputs.x as TensorInfo;
  const repeats = attrs.reps as number[];
  if (!isFourBytes(x) || repeats.length !== x.shape.length) return undefined;
  const shape = x.shape.map((size, axis) => size * repeats[axis]!);
  const out = makeOutput(heap, shape, x.dtype);
  const bytes = sizeOf(shape) * 4;
  if (bytes === 0) return out;
  // Axis by axis from the last; the intermediate copies take turns in two buffers, and the last step writes the result.
  const axes = repeats.flatMap((count, axis) => (count > 1 ? [axis] : [])).reverse();
  if (axes.length === 0) {
    heap.exports.repeatSlices(addressOf(heap, x), addressOf(heap, out), 1, sizeOf(shape), 1);
    return out;
  }
  withScratch(heap, axes.length > 1 ? 2 * bytes : 0, (scratch) => {
    let from = addressOf(heap, x);
    const current = [...x.shape];
    for (const [step, axis] of axes.entries()) {
      const to = step === axes.length - 1 ? addressOf(heap, out) : scratch + (step % 2) * bytes;
      heap.exports.repeatSlices(from, to, sizeOf(current.slice(0, axis)), sizeOf(current.slice(axis)), repeats[axis]!);
      current[axis]! *= repeats[axis]!;
      from = to;
    }
  });
  return out;
});

// Maximum and Minimum of two float32 tensors of one shape, or of a tensor and a single value: tfjs's wasm backend takes 9 ns
// an element for them. Other broadcasts and dtypes stay with it.
import { Maximum, Minimum, type TensorInfo } from "@tensorflow/tfjs-core";
import { addressOf, makeOutput, replacement, sizeOf } from "./heap";

function extremum(kernel: string, larger: boolean) {
  return replacement(kernel, (heap, inputs) => {
    const [a, b] = [inputs.a as TensorInfo, inputs.b as TensorInfo];
    if (a.dtype !== "float32" || b.dtype !== "float32") return undefined;
    const isSame = String(a.shape) === String(b.shape);
    // A single value of a higher rank would widen the result's shape.
    const [tensor, other] = sizeOf(a.shape) === 1 && a.shape.length <= b.shape.length ? [b, a] : [a, b];
    const isSingle = sizeOf(other.shape) === 1 && other.shape.length <= tensor.shape.length;
    if (!isSame && !isSingle) return undefined;
    const out = makeOutput(heap, tensor.shape);
    heap.exports.extremum(
      addressOf(heap, tensor),
      addressOf(heap, other),
      addressOf(heap, out),
      sizeOf(tensor.shape),
      Number(!isSame),
      Number(larger),
    );
    return out;
  });
}

/** The larger of `a` and `b`. */
export const maximumKernel = extremum(Maximum, true);
/** The smaller of `a` and `b`. */
export const minimumKernel = extremum(Minimum, false);

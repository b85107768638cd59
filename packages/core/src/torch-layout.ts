// Moves weights between PyTorch's memory layout (OIHW convolutions, [out, in] matrices) and TensorFlow's (HWIO, [in, out]).
// Names are the business of each package that owns the modules.
import { CheckpointError } from "./errors";
import type { StoredArray } from "./safetensors";

/** What a weight is: decides how its axes move. */
export type TorchLayout = "conv" | "depthwise" | "linear" | "vector";

// For each axis of the result, the axis of PyTorch's array.
const AXES: Record<TorchLayout, readonly number[]> = {
  conv: [2, 3, 1, 0], // OIHW -> HWIO
  depthwise: [2, 3, 0, 1], // C1HW -> HWC1
  linear: [1, 0],
  vector: [0],
};

/**
 * Converts one float32 weight from PyTorch's layout to TensorFlow's.
 *
 * @param array the stored weight
 * @param layout what it is
 * @param name its name, for error texts
 * @returns the weight with its axes moved
 * @throws CheckpointError when rank or type do not fit
 * @example fromTorchLayout({ dtype: "F32", shape: [64, 32, 1, 1], data }, "conv").shape // [1, 1, 32, 64]
 */
export function fromTorchLayout(array: StoredArray, layout: TorchLayout, name = "weight"): StoredArray {
  const axes = AXES[layout];
  const { shape, data } = array;
  if (shape.length !== axes.length || !(data instanceof Float32Array)) {
    throw new CheckpointError(
      `"${name}" should be a float32 array of rank ${axes.length} (${layout}), got ${array.dtype} [${shape}].`,
      { name, shape },
    );
  }
  const target = axes.map((a) => shape[a]!);
  const strides = shape.map((_, i) => shape.slice(i + 1).reduce((a, b) => a * b, 1));
  const step = axes.map((a) => strides[a]!);
  const out = new Float32Array(data.length);
  const index = new Array<number>(target.length).fill(0);
  for (let i = 0; i < out.length; i++) {
    out[i] = data[index.reduce((at, v, axis) => at + v * step[axis]!, 0)]!;
    for (let axis = index.length - 1; axis >= 0; axis--) {
      index[axis]!++;
      if (index[axis]! < target[axis]!) break;
      index[axis] = 0;
    }
  }
  return { dtype: "F32", shape: target, data: out };
}

// 1 × 1 convolutions of stride 1 and their gradients as what they are, matrix products: libtensorflow prepares more for a convolution
// than a small product takes. Others stay with tfjs-node. Not by the operation MatMul, though it is faster still: with libtensorflow
// 2.15.1 and Node's --cpu-prof, the heap was found corrupted.
import {
  Conv2D,
  Conv2DBackpropFilter,
  Conv2DBackpropInput,
  type NamedAttrMap,
  type NamedTensorInfoMap,
  type TensorInfo,
} from "@tensorflow/tfjs-core";
import { sizeOf } from "../heap";
import { type Handle, type Native, nativeReplacement, type Replacement } from "./backend";

function isPlain(attrs: NamedAttrMap, filterShape: readonly number[]): boolean {
  const { strides, dilations, pad, dataFormat } = attrs;
  const all = (value: unknown) => value === undefined || [value].flat().every((v) => v === 1);
  const unpadded = pad === "same" || pad === "valid" || pad === 0;
  return (
    filterShape[0] === 1 && filterShape[1] === 1 && all(strides) && all(dilations) && unpadded && dataFormat === "NHWC"
  );
}

const isFloat = (inputs: NamedTensorInfoMap) => Object.values(inputs).every((tensor) => tensor?.dtype === "float32");

/** All pixels in a row: `[B * H * W, C]`. */
function rowsOf(native: Native, tensor: TensorInfo): number {
  const channels = tensor.shape.at(-1)!;
  return native.reshape(native.idOf(tensor), [sizeOf(tensor.shape) / channels, channels]);
}

interface Transposed {
  readonly a?: boolean;
  readonly b?: boolean;
}

function product(
  native: Native,
  a: number,
  b: number,
  { a: ta = false, b: tb = false }: Transposed,
  shape: number[],
): Handle {
  const { id } = native.op("BatchMatMulV2", [a, b], { adj_x: ta, adj_y: tb });
  return native.op("Reshape", [id, native.ints(shape)], { Tshape: native.int32 });
}

const forward = nativeReplacement(
  Conv2D,
  (inputs, attrs) => isFloat(inputs) && isPlain(attrs, inputs.filter!.shape),
  (native, inputs) => {
    const { x, filter } = inputs as { x: TensorInfo; filter: TensorInfo };
    const shape = [...x.shape.slice(0, 3), filter.shape[3]!];
    return product(native, rowsOf(native, x), rowsOf(native, filter), {}, shape);
  },
);

const backpropFilter = nativeReplacement(
  Conv2DBackpropFilter,
  (inputs, attrs) => isFloat(inputs) && isPlain(attrs, attrs.filterShape as number[]),
  (native, inputs, attrs) => {
    const { x, dy } = inputs as { x: TensorInfo; dy: TensorInfo };
    return product(native, rowsOf(native, x), rowsOf(native, dy), { a: true }, attrs.filterShape as number[]);
  },
);

const backpropInput = nativeReplacement(
  Conv2DBackpropInput,
  (inputs, attrs) => isFloat(inputs) && isPlain(attrs, inputs.filter!.shape),
  (native, inputs, attrs) => {
    const { dy, filter } = inputs as { dy: TensorInfo; filter: TensorInfo };
    return product(native, rowsOf(native, dy), rowsOf(native, filter), { b: true }, attrs.inputShape as number[]);
  },
);

export const nativeProducts: readonly Replacement[] = [forward, backpropFilter, backpropInput];

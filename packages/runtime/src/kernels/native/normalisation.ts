// Batch normalisation in training, with its gradient, as libtensorflow's own kernels. Same meaning as the WebAssembly kernels.
import type { NamedAttrMap, NamedTensorInfoMap, TensorInfo } from "@tensorflow/tfjs-core";
import { expectShape } from "../geometry";
import { inputOf, sizeOf } from "../heap";
import { BATCH_NORM, BATCH_NORM_GRAD, isRelu } from "../normalisation";
import { type Attributes, type Handle, type Native, nativeKernel, real } from "./backend";

// Channels last, whatever the rank; libtensorflow wants four dimensions.
function toMaps(native: Native, { shape }: TensorInfo, id: number): number {
  return shape.length === 4 ? id : native.reshape(id, [1, sizeOf(shape.slice(0, -1)), 1, shape.at(-1) ?? 1]);
}

function fromMaps(native: Native, handle: Handle, shape: readonly number[]): Handle {
  return shape.length === 4 ? handle : native.op("Reshape", [handle.id, native.ints(shape)], { Tshape: native.int32 });
}

const attributesOf = (native: Native, attrs: NamedAttrMap): Attributes => ({
  U: native.float,
  epsilon: real(attrs.epsilon as number),
  data_format: "NHWC",
  is_training: true,
});

function forward(native: Native, inputs: NamedTensorInfoMap, attrs: NamedAttrMap): Handle[] {
  const x = inputOf(BATCH_NORM, inputs, "x");
  const scale = inputOf(BATCH_NORM, inputs, "scale");
  const offset = inputOf(BATCH_NORM, inputs, "offset");
  const channels = x.shape.at(-1) ?? 1;
  expectShape(BATCH_NORM, "scale", scale, [channels]);
  expectShape(BATCH_NORM, "offset", offset, [channels]);
  const residual = inputs.residual && inputOf(BATCH_NORM, inputs, "residual");
  if (residual) expectShape(BATCH_NORM, "residual", residual, x.shape);
  const relu = isRelu(BATCH_NORM, attrs);
  const none = native.floats("none", [0], () => new Float32Array(0));
  const [normalised, , , mean, variance] = native.run(
    "FusedBatchNormV3",
    [toMaps(native, x, native.idOf(x)), native.idOf(scale), native.idOf(offset), none, none],
    { T: native.float, ...attributesOf(native, attrs), exponential_avg_factor: real(1) },
    6,
  ) as [Handle, Handle, Handle, Handle, Handle];
  let y = fromMaps(native, normalised, x.shape);
  if (residual) y = native.op("AddV2", [y.id, native.idOf(residual)]);
  if (relu) y = native.op("Relu", [y.id]);
  return [y, mean, variance];
}

function backward(native: Native, inputs: NamedTensorInfoMap, attrs: NamedAttrMap): Handle[] {
  const input = (name: string) => inputOf(BATCH_NORM_GRAD, inputs, name);
  const [dy, x, y, scale, mean, variance] = ["dy", "x", "y", "scale", "mean", "variance"].map(input) as [
    TensorInfo,
    TensorInfo,
    TensorInfo,
    TensorInfo,
    TensorInfo,
    TensorInfo,
  ];
  const channels = x.shape.at(-1) ?? 1;
  expectShape(BATCH_NORM_GRAD, "dy", dy, x.shape);
  expectShape(BATCH_NORM_GRAD, "y", y, x.shape);
  for (const name of ["scale", "mean", "variance"]) expectShape(BATCH_NORM_GRAD, name, input(name), [channels]);
  const relu = isRelu(BATCH_NORM_GRAD, attrs);
  // d loss / d (what the activation got), which is the residual's gradient as well
  const masked = relu ? native.op("ReluGrad", [native.idOf(dy), native.idOf(y)]) : undefined;
  const none = native.floats("none", [0], () => new Float32Array(0));
  const [dx, dscale, doffset] = native.run(
    "FusedBatchNormGradV3",
    [
      toMaps(native, dy, masked?.id ?? native.idOf(dy)),
      toMaps(native, x, native.idOf(x)),
      native.idOf(scale),
      native.idOf(mean),
      native.idOf(variance),
      none,
    ],
    { T: native.float, ...attributesOf(native, attrs) },
    5,
  ) as [Handle, Handle, Handle];
  const gradients = [fromMaps(native, dx, x.shape), dscale, doffset];
  if (!attrs.residual) return gradients;
  return [...gradients, masked ?? native.op("Identity", [native.idOf(dy)])];
}

export const nativeBatchNorm = nativeKernel(BATCH_NORM, forward);
export const nativeBatchNormGrad = nativeKernel(BATCH_NORM_GRAD, backward);

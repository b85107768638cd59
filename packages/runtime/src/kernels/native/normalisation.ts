// Batch normalisation in training, with its gradient, as libtensorflow's own kernels. Same meaning as the WebAssembly kernels. Those kernels
// cost 50 µs and more however small the map; in a graph, where an operation costs 1 µs, small maps go by plain operations.
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

// Where both take the same time, on two threads.
const LARGEST_COMPOSED = 65536;

function isComposed(native: Native, { shape }: TensorInfo): boolean {
  return native.isRecorded && sizeOf(shape) <= LARGEST_COMPOSED;
}

/** Rows of channels, and what sums or averages over them as a matrix product, which is the quickest way. */
function columnsOf(native: Native, shape: readonly number[]) {
  const channels = shape.at(-1) ?? 1;
  const rows = sizeOf(shape) / channels;
  const weights = (value: number) => native.floats(`sum ${value}`, [1, rows], () => new Float32Array(rows).fill(value));
  const along = (by: number, id: number) => {
    const product = native.op("BatchMatMulV2", [by, id], { adj_x: false, adj_y: false });
    return native.op("Reshape", [product.id, native.ints([channels])], { Tshape: native.int32 });
  };
  return {
    flat: (id: number) => native.reshape(id, [rows, channels]),
    sum: (id: number) => along(weights(1), id),
    average: (id: number) => along(weights(1 / rows), id),
    rows,
  };
}

const binary = (native: Native, name: string, a: Handle | number, b: Handle | number) =>
  native.op(
    name,
    [a, b].map((operand) => (typeof operand === "number" ? operand : operand.id)),
  );

function inverseOf(native: Native, variance: Handle | number, attrs: NamedAttrMap): Handle {
  return native.op("Rsqrt", [binary(native, "AddV2", variance, native.scalar(attrs.epsilon as number)).id]);
}

function composedForward(native: Native, x: TensorInfo, scale: number, offset: number, attrs: NamedAttrMap) {
  const { flat, average } = columnsOf(native, x.shape);
  const values = flat(native.idOf(x));
  const mean = average(values);
  const centred = binary(native, "Sub", values, mean);
  const variance = average(native.op("Square", [centred.id]).id);
  const factor = binary(native, "Mul", inverseOf(native, variance, attrs), scale);
  const y = binary(native, "AddV2", binary(native, "Mul", centred, factor), offset);
  return [native.op("Reshape", [y.id, native.ints(x.shape)], { Tshape: native.int32 }), mean, variance] as const;
}

interface Statistics {
  readonly scale: number;
  readonly mean: number;
  readonly variance: number;
}

// dx = f · (dy − (doffset + x̂ · dscale) / n), f = scale / √(variance + ε)
function composedBackward(
  native: Native,
  x: TensorInfo,
  dy: number,
  { scale, mean, variance }: Statistics,
  attrs: NamedAttrMap,
) {
  const { flat, sum, rows } = columnsOf(native, x.shape);
  const inverse = inverseOf(native, variance, attrs);
  const g = flat(dy);
  const normalised = binary(native, "Mul", binary(native, "Sub", flat(native.idOf(x)), mean), inverse);
  const doffset = sum(g);
  const dscale = sum(binary(native, "Mul", g, normalised).id);
  const share = native.scalar(1 / rows);
  const along = binary(native, "Mul", normalised, binary(native, "Mul", dscale, share));
  const centred = binary(native, "Sub", binary(native, "Sub", g, binary(native, "Mul", doffset, share)), along);
  const dx = binary(native, "Mul", centred, binary(native, "Mul", inverse, scale));
  return [native.op("Reshape", [dx.id, native.ints(x.shape)], { Tshape: native.int32 }), dscale, doffset] as const;
}

const attributesOf = (native: Native, attrs: NamedAttrMap): Attributes => ({
  U: native.float,
  epsilon: real(attrs.epsilon as number),
  data_format: "NHWC",
  is_training: true,
});

function fusedForward(native: Native, x: TensorInfo, scale: number, offset: number, attrs: NamedAttrMap) {
  const none = native.floats("none", [0], () => new Float32Array(0));
  const [normalised, , , mean, variance] = native.run(
    "FusedBatchNormV3",
    [toMaps(native, x, native.idOf(x)), scale, offset, none, none],
    { T: native.float, ...attributesOf(native, attrs), exponential_avg_factor: real(1) },
    6,
  ) as [Handle, Handle, Handle, Handle, Handle];
  return [fromMaps(native, normalised, x.shape), mean, variance] as const;
}

function fusedBackward(
  native: Native,
  x: TensorInfo,
  dy: number,
  { scale, mean, variance }: Statistics,
  attrs: NamedAttrMap,
) {
  const none = native.floats("none", [0], () => new Float32Array(0));
  const [dx, dscale, doffset] = native.run(
    "FusedBatchNormGradV3",
    [toMaps(native, x, dy), toMaps(native, x, native.idOf(x)), scale, mean, variance, none],
    { T: native.float, ...attributesOf(native, attrs) },
    5,
  ) as [Handle, Handle, Handle];
  return [fromMaps(native, dx, x.shape), dscale, doffset] as const;
}

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
  const [normalised, mean, variance] = isComposed(native, x)
    ? composedForward(native, x, native.idOf(scale), native.idOf(offset), attrs)
    : fusedForward(native, x, native.idOf(scale), native.idOf(offset), attrs);
  let y = normalised;
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
  const statistics = { scale: native.idOf(scale), mean: native.idOf(mean), variance: native.idOf(variance) };
  const compute = isComposed(native, x) ? composedBackward : fusedBackward;
  const gradients = [...compute(native, x, masked?.id ?? native.idOf(dy), statistics, attrs)];
  if (!attrs.residual) return gradients;
  return [...gradients, masked ?? native.op("Identity", [native.idOf(dy)])];
}

export const nativeBatchNorm = nativeKernel(BATCH_NORM, forward);
export const nativeBatchNormGrad = nativeKernel(BATCH_NORM_GRAD, backward);

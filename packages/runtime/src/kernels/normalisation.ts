// Batch and group normalisation with the statistics of the batch, activation and residual included, and their gradients:
// kernels of our own. float32, channels last.
import type { NamedAttrMap, NamedTensorInfoMap, TensorInfo } from "@tensorflow/tfjs-core";
import { RuntimeError } from "../errors";
import { expectShape } from "./geometry";
import { addressOf, type Heap, inputOf, makeOutput, sizeOf, wasmKernel, withScratch } from "./heap";

/** Inputs `x [..., C]`, `scale [C]`, `offset [C]`, `residual?` like x → `y`, `mean [C]`, `variance [C]`. */
export const BATCH_NORM = "CaddetBatchNorm";
/** Inputs `dy`, `x`, `y`, `scale`, `mean`, `variance` → `dx`, `dscale`, `doffset`, and `dresidual` where asked. */
export const BATCH_NORM_GRAD = "CaddetBatchNormGrad";
/** As {@link BATCH_NORM} without a residual; its gradient needs no `y`. */
export const LEAN_BATCH_NORM = "CaddetLeanBatchNorm";
/** Inputs `dy`, `x`, `scale`, `offset`, `mean`, `variance` → `dx`, `dscale`, `doffset`. */
export const LEAN_BATCH_NORM_GRAD = "CaddetLeanBatchNormGrad";
/** Inputs `x [B, H, W, C]`, `scale [C]`, `offset [C]` → `y`, `mean [B, G]`, `variance [B, G]`. */
export const GROUP_NORM = "CaddetGroupNorm";
/** Inputs `dy`, `x`, `y`, `scale`, `mean`, `variance` → `dx`, `dscale`, `doffset`. */
export const GROUP_NORM_GRAD = "CaddetGroupNormGrad";

/**
 * Inputs `runningMean`, `runningVariance`, `mean`, `variance`, all `[C]`; attributes `momentum`, the batch's weight, and `unbias`, the
 * factor that makes its variance unbiased → the next running mean and variance.
 */
export const MOVING_MOMENTS = "CaddetMovingMoments";

/** Sizes of a normalisation. */
export interface Layout {
  images: number;
  rows: number;
  channels: number;
  groups: number;
  /** Shape of the statistics. */
  statistics: number[];
}

/** The sizes of a batch normalisation. */
export function batchLayout(x: TensorInfo): Layout {
  const channels = x.shape.at(-1) ?? 1;
  return { images: 1, rows: sizeOf(x.shape.slice(0, -1)), channels, groups: channels, statistics: [channels] };
}

/** The sizes of a group normalisation. */
export function groupLayout(kernel: string, x: TensorInfo, attrs: NamedAttrMap): Layout {
  const channels = x.shape.at(-1) ?? 1;
  const groups = attrs.groups as number;
  if (!Number.isInteger(groups) || groups < 1 || channels % groups !== 0) {
    throw new RuntimeError(
      "kernel-input",
      `${kernel} got ${groups} groups for ${channels} channels; expected a divisor of the channels.`,
    );
  }
  const images = x.shape[0] ?? 1;
  return { images, rows: sizeOf(x.shape.slice(1, -1)), channels, groups, statistics: [images, groups] };
}

/** 1 where a ReLU follows, 0 where nothing does. */
export function isRelu(kernel: string, attrs: NamedAttrMap): number {
  const activation = attrs.activation ?? "linear";
  if (activation === "relu") return 1;
  if (activation === "linear") return 0;
  throw new RuntimeError("kernel-input", `${kernel} got activation '${activation}'; expected 'linear' or 'relu'.`);
}

function forward(kernel: string, heap: Heap, inputs: NamedTensorInfoMap, attrs: NamedAttrMap, layout: Layout) {
  const x = inputOf(kernel, inputs, "x");
  const scale = inputOf(kernel, inputs, "scale");
  const offset = inputOf(kernel, inputs, "offset");
  const { images, rows, channels, groups, statistics } = layout;
  expectShape(kernel, "scale", scale, [channels]);
  expectShape(kernel, "offset", offset, [channels]);
  const residual = inputs.residual && inputOf(kernel, inputs, "residual");
  if (residual) expectShape(kernel, "residual", residual, x.shape);
  const relu = isRelu(kernel, attrs);
  const outputs = [makeOutput(heap, x.shape), makeOutput(heap, statistics), makeOutput(heap, statistics)] as const;
  const [y, mean, variance] = outputs;
  withScratch(heap, heap.exports.normScratch(channels), (scratch) =>
    heap.exports.norm(
      addressOf(heap, x),
      addressOf(heap, scale),
      addressOf(heap, offset),
      residual ? addressOf(heap, residual) : 0,
      addressOf(heap, y),
      addressOf(heap, mean),
      addressOf(heap, variance),
      images,
      rows,
      channels,
      groups,
      attrs.epsilon as number,
      relu,
      scratch,
    ),
  );
  return [...outputs];
}

// Masks by `y`, or by `offset` and all that made it.
function backward(
  kernel: string,
  heap: Heap,
  inputs: NamedTensorInfoMap,
  attrs: NamedAttrMap,
  layout: Layout,
  masksBy: "y" | "offset" = "y",
) {
  const dy = inputOf(kernel, inputs, "dy");
  const x = inputOf(kernel, inputs, "x");
  const mask = inputOf(kernel, inputs, masksBy);
  const scale = inputOf(kernel, inputs, "scale");
  const mean = inputOf(kernel, inputs, "mean");
  const variance = inputOf(kernel, inputs, "variance");
  const { images, rows, channels, groups, statistics } = layout;
  expectShape(kernel, "dy", dy, x.shape);
  expectShape(kernel, masksBy, mask, masksBy === "y" ? x.shape : [channels]);
  expectShape(kernel, "scale", scale, [channels]);
  expectShape(kernel, "mean", mean, statistics);
  expectShape(kernel, "variance", variance, statistics);
  const relu = isRelu(kernel, attrs);
  const [dx, dscale, doffset] = [
    makeOutput(heap, x.shape),
    makeOutput(heap, [channels]),
    makeOutput(heap, [channels]),
  ] as const;
  const dresidual = attrs.residual ? makeOutput(heap, x.shape) : undefined;
  withScratch(heap, heap.exports.normScratch(channels), (scratch) =>
    heap.exports.normGrad(
      addressOf(heap, dy),
      addressOf(heap, x),
      masksBy === "y" ? addressOf(heap, mask) : 0,
      addressOf(heap, scale),
      masksBy === "y" ? 0 : addressOf(heap, mask),
      addressOf(heap, mean),
      addressOf(heap, variance),
      addressOf(heap, dx),
      addressOf(heap, dscale),
      addressOf(heap, doffset),
      dresidual ? addressOf(heap, dresidual) : 0,
      images,
      rows,
      channels,
      groups,
      attrs.epsilon as number,
      relu,
      scratch,
    ),
  );
  return dresidual ? [dx, dscale, doffset, dresidual] : [dx, dscale, doffset];
}

export const batchNormKernel = wasmKernel(BATCH_NORM, (heap, inputs, attrs) =>
  forward(BATCH_NORM, heap, inputs, attrs, batchLayout(inputOf(BATCH_NORM, inputs, "x"))),
);

export const batchNormGradKernel = wasmKernel(BATCH_NORM_GRAD, (heap, inputs, attrs) =>
  backward(BATCH_NORM_GRAD, heap, inputs, attrs, batchLayout(inputOf(BATCH_NORM_GRAD, inputs, "x"))),
);

export const leanBatchNormKernel = wasmKernel(LEAN_BATCH_NORM, (heap, inputs, attrs) =>
  forward(LEAN_BATCH_NORM, heap, inputs, attrs, batchLayout(inputOf(LEAN_BATCH_NORM, inputs, "x"))),
);

export const leanBatchNormGradKernel = wasmKernel(LEAN_BATCH_NORM_GRAD, (heap, inputs, attrs) =>
  backward(
    LEAN_BATCH_NORM_GRAD,
    heap,
    inputs,
    attrs,
    batchLayout(inputOf(LEAN_BATCH_NORM_GRAD, inputs, "x")),
    "offset",
  ),
);

export const groupNormKernel = wasmKernel(GROUP_NORM, (heap, inputs, attrs) =>
  forward(GROUP_NORM, heap, inputs, attrs, groupLayout(GROUP_NORM, inputOf(GROUP_NORM, inputs, "x"), attrs)),
);

export const groupNormGradKernel = wasmKernel(GROUP_NORM_GRAD, (heap, inputs, attrs) =>
  backward(
    GROUP_NORM_GRAD,
    heap,
    inputs,
    attrs,
    groupLayout(GROUP_NORM_GRAD, inputOf(GROUP_NORM_GRAD, inputs, "x"), attrs),
  ),
);

export const movingMomentsKernel = wasmKernel(MOVING_MOMENTS, (heap, inputs, attrs) => {
  const { momentum, unbias } = attrs as Record<string, number>;
  const moved = (running: string, batch: string, weight: number) => {
    const old = inputOf(MOVING_MOMENTS, inputs, running);
    const own = inputOf(MOVING_MOMENTS, inputs, batch);
    expectShape(MOVING_MOMENTS, batch, own, old.shape);
    const next = makeOutput(heap, old.shape);
    heap.exports.mix(
      addressOf(heap, old),
      addressOf(heap, own),
      addressOf(heap, next),
      sizeOf(old.shape),
      1 - momentum!,
      weight,
    );
    return next;
  };
  return [moved("runningMean", "mean", momentum!), moved("runningVariance", "variance", momentum! * unbias!)];
});

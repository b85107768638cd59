// A network's layers as plain data: what is convolved into what, and where maps are taken. Widths, MAdds and numbers of weights follow
// from it without a tensor; trunk.ts builds it. No opinion on any particular network: those are mobilenet-v1.ts and mobilenet-v2.ts.
import { ShapeError, type Size } from "@caddet/core";

/** One convolution without bias, its batch normalisation and, where asked, ReLU6. */
export interface ConvPlan {
  /** One filter a channel; the input then is as wide as the output. */
  readonly depthwise: boolean;
  /** Odd. */
  readonly kernelSize: number;
  readonly stride: number;
  readonly inChannels: number;
  readonly outChannels: number;
  readonly relu6: boolean;
}

/** Convolutions one after another. */
export interface LayerPlan {
  readonly convs: readonly ConvPlan[];
  /** Whether the layer's input is added to its output. */
  readonly residual: boolean;
  /** Whether the layer's output is one of the network's maps. */
  readonly tap: boolean;
}

/** The tail of a MobileNet: as trained on ImageNet, or as TensorFlow's separable FPN detectors shorten it. */
export type MobileNetTail = "imagenet" | "short";

/**
 * A number of channels times a width, as MobileNetV2 rounds it: to a multiple of 8, at least 8, and no less than nine tenths.
 *
 * @param channels at width 1
 * @param width the factor
 * @returns a multiple of 8
 * @example scaledChannels(24, 0.35) // 8
 */
export function scaledChannels(channels: number, width: number): number {
  const wanted = channels * width;
  const rounded = Math.max(8, Math.floor((wanted + 4) / 8) * 8);
  return rounded < 0.9 * wanted ? rounded + 8 : rounded;
}

/**
 * The size of a map after a stride.
 *
 * @param size of the map before
 * @param stride at least 1
 * @returns both sides divided and rounded up, as symmetric padding leaves them
 * @throws ShapeError when a side is not a positive integer
 */
export function stridedSize({ height, width }: Size, stride: number): Size {
  if (![height, width].every((side) => Number.isSafeInteger(side) && side > 0)) {
    throw new ShapeError(`The input size must be positive integers, got ${height} x ${width}.`, { height, width });
  }
  return { height: Math.ceil(height / stride), width: Math.ceil(width / stride) };
}

/** Weights of a convolution; on a map of one cell they are its MAdds as well. */
export function convWeights({ depthwise, kernelSize, inChannels, outChannels }: ConvPlan): number {
  return kernelSize * kernelSize * (depthwise ? 1 : inChannels) * outChannels;
}

/** MAdds of each layer for an input in pixels, batch 1: convolutions alone. */
export function planMadds(plan: readonly LayerPlan[], size: Size): number[] {
  let at = stridedSize(size, 1);
  return plan.map(({ convs }) => {
    let madds = 0;
    for (const conv of convs) {
      at = stridedSize(at, conv.stride);
      madds += at.height * at.width * convWeights(conv);
    }
    return madds;
  });
}

/** Strides and widths of the maps that a plan takes. */
export function planTaps(plan: readonly LayerPlan[]): { strides: number[]; channels: number[] } {
  const strides: number[] = [];
  const channels: number[] = [];
  let stride = 1;
  for (const { convs, tap } of plan) {
    for (const conv of convs) stride *= conv.stride;
    if (!tap) continue;
    strides.push(stride);
    channels.push(convs.at(-1)!.outChannels);
  }
  return { strides, channels };
}

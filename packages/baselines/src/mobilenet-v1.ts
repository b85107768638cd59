// MobileNetV1 (Howard et al. 2017, Table 1) as a plan: a 3 × 3 convolution and 13 pairs of depthwise and pointwise ones, BN and ReLU6
// after each. Maps are taken at strides 8, 16 and 32, as TensorFlow's ssd_mobilenet_v1_fpn takes them. No pooling, no classifier.
import { type ConvPlan, type LayerPlan, type MobileNetTail, scaledChannels } from "./plan";

// [channels, stride] of each pair
const PAIRS: readonly (readonly [number, number])[] = [
  [64, 1],
  [128, 2],
  [128, 1],
  [256, 2],
  [256, 1],
  [512, 2],
  [512, 1],
  [512, 1],
  [512, 1],
  [512, 1],
  [512, 1],
  [1024, 2],
  [1024, 1],
];

/** Where C3, C4 and C5 are: the last pair of their stride. */
const TAPS: readonly number[] = [4, 10, 12];

// TensorFlow's extractor with `use_depthwise`: 512 and 256 channels in place of 1024 and 1024.
const SHORT_TAIL: Readonly<Record<number, number>> = { 11: 512, 12: 256 };

/**
 * The layers of a MobileNetV1.
 *
 * @param width factor on all channels
 * @param tail whether the last two pairs are as wide as on ImageNet
 * @returns 14 layers; C3, C4 and C5 are tapped
 * @example planTaps(planMobileNetV1(1, "imagenet")).channels // [256, 512, 1024]
 */
export function planMobileNetV1(width: number, tail: MobileNetTail): LayerPlan[] {
  const stem: ConvPlan = {
    depthwise: false,
    kernelSize: 3,
    stride: 2,
    inChannels: 3,
    outChannels: scaledChannels(32, width),
    relu6: true,
  };
  let inChannels = stem.outChannels;
  const pairs = PAIRS.map(([channels, stride], i): LayerPlan => {
    const wide = (tail === "short" ? SHORT_TAIL[i] : undefined) ?? channels;
    const outChannels = scaledChannels(wide, width);
    const depthwise = { depthwise: true, kernelSize: 3, stride, inChannels, outChannels: inChannels, relu6: true };
    const pointwise = { depthwise: false, kernelSize: 1, stride: 1, inChannels, outChannels, relu6: true };
    inChannels = outChannels;
    return { convs: [depthwise, pointwise], residual: false, tap: TAPS.includes(i) };
  });
  return [{ convs: [stem], residual: false, tap: false }, ...pairs];
}

// MobileNetV2 (Sandler et al. 2018, Table 2) as a plan: a 3 × 3 convolution, 17 inverted residuals with linear bottlenecks, a 1 × 1
// convolution. Maps are taken at strides 8, 16 and 32, as TensorFlow's ssd_mobilenet_v2_fpn takes them. No pooling, no classifier.
import { type ConvPlan, type LayerPlan, type MobileNetTail, scaledChannels } from "./plan";

// [expansion, channels, repeats, stride of the first]
const STAGES: readonly (readonly [number, number, number, number])[] = [
  [1, 16, 1, 1],
  [6, 24, 2, 2],
  [6, 32, 3, 2],
  [6, 64, 4, 2],
  [6, 96, 3, 1],
  [6, 160, 3, 2],
  [6, 320, 1, 1],
];

/** Stages behind which C3 and C4 are; C5 is behind the last convolution. */
const TAPS: readonly number[] = [2, 4];

function invertedResidual(inChannels: number, outChannels: number, expansion: number, stride: number) {
  const hidden = expansion * inChannels;
  const pointwise = { depthwise: false, kernelSize: 1, stride: 1 };
  const expand: ConvPlan = { ...pointwise, inChannels, outChannels: hidden, relu6: true };
  const depthwise = { depthwise: true, kernelSize: 3, stride, inChannels: hidden, outChannels: hidden, relu6: true };
  const project: ConvPlan = { ...pointwise, inChannels: hidden, outChannels, relu6: false };
  return {
    convs: [...(expansion > 1 ? [expand] : []), depthwise, project],
    residual: stride === 1 && inChannels === outChannels,
  };
}

/**
 * The layers of a MobileNetV2.
 *
 * @param width factor on all channels; the last convolution is never narrower than at width 1, as in the paper
 * @param tail whether the last convolution is as wide as on ImageNet (1280), or 256 wide
 * @returns 19 layers; C3, C4 and C5 are tapped
 * @example planTaps(planMobileNetV2(1, "imagenet")).channels // [32, 96, 1280]
 */
export function planMobileNetV2(width: number, tail: MobileNetTail): LayerPlan[] {
  const conv = { depthwise: false, relu6: true };
  let inChannels = scaledChannels(32, width);
  const stem = { ...conv, kernelSize: 3, stride: 2, inChannels: 3, outChannels: inChannels };
  const blocks = STAGES.flatMap(([expansion, channels, repeats, firstStride], stage) =>
    Array.from({ length: repeats }, (_, i): LayerPlan => {
      const outChannels = scaledChannels(channels, width);
      const block = invertedResidual(inChannels, outChannels, expansion, i === 0 ? firstStride : 1);
      inChannels = outChannels;
      return { ...block, tap: TAPS.includes(stage) && i === repeats - 1 };
    }),
  );
  const outChannels = scaledChannels(tail === "short" ? 256 : 1280, Math.max(1, width));
  const last = { ...conv, kernelSize: 1, stride: 1, inChannels, outChannels };
  return [{ convs: [stem], residual: false, tap: false }, ...blocks, { convs: [last], residual: false, tap: true }];
}

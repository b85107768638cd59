// A separable convolution for inference in one launch: depthwise, 1×1, bias, residual, ReLU. A kernel of our own without a gradient.
import { RuntimeError } from "../errors";
import { convolutionInfo, expectShape, writeGeometry } from "./geometry";
import { addressOf, inputOf, makeOutput, sizeOf, wasmKernel, withScratch } from "./heap";

/**
 * Inputs `x [B, H, W, C]`, `depthwise [h, w, C, 1]`, `pointwise [1, 1, C, K]`, `bias [K]`, `residual?` like the result; attributes
 * `strides`, `pad`, `dimRoundingMode` of the depthwise convolution and `activation`, linear or relu → `[B, H', W', K]`.
 */
export const SEP_CONV = "CaddetSepConv";

const FLOORS: Readonly<Record<string, number>> = { linear: Number.NEGATIVE_INFINITY, relu: 0 };

export const sepConvKernel = wasmKernel(SEP_CONV, (heap, inputs, attrs) => {
  const x = inputOf(SEP_CONV, inputs, "x");
  const depthwise = inputOf(SEP_CONV, inputs, "depthwise");
  const pointwise = inputOf(SEP_CONV, inputs, "pointwise");
  const bias = inputOf(SEP_CONV, inputs, "bias");
  const residual = inputs.residual && inputOf(SEP_CONV, inputs, "residual");
  const activation = (attrs.activation ?? "linear") as string;
  const floor = FLOORS[activation];
  if (floor === undefined) {
    throw new RuntimeError("kernel-input", `${SEP_CONV} got activation '${activation}'; expected 'linear' or 'relu'.`);
  }
  const info = convolutionInfo(SEP_CONV, x.shape, depthwise.shape, attrs, true);
  const outChannels = pointwise.shape[3] ?? 1;
  expectShape(SEP_CONV, "depthwise", depthwise, [info.filterHeight, info.filterWidth, info.inChannels, 1]);
  expectShape(SEP_CONV, "pointwise", pointwise, [1, 1, info.inChannels, outChannels]);
  expectShape(SEP_CONV, "bias", bias, [outChannels]);
  const [batch, height, width] = info.outShape;
  const shape = [batch, height, width, outChannels];
  if (residual) expectShape(SEP_CONV, "residual", residual, shape);
  const y = makeOutput(heap, shape);
  if (sizeOf(shape) === 0) return y;
  const geometry = writeGeometry(heap, { ...info, outChannels });
  withScratch(heap, heap.exports.sepConvScratch(geometry), (scratch) =>
    heap.exports.sepConv(
      geometry,
      addressOf(heap, x),
      addressOf(heap, depthwise),
      addressOf(heap, pointwise),
      addressOf(heap, bias),
      residual ? addressOf(heap, residual) : 0,
      addressOf(heap, y),
      floor,
      scratch,
    ),
  );
  return y;
});

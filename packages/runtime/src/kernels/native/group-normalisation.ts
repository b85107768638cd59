// Group normalisation with its gradient out of libtensorflow's operations: sums over the pixels are products with a vector of equal
// weights, and what belongs to groups is computed on `[B, G]`. Same meaning as the WebAssembly kernels.
import type { TensorInfo } from "@tensorflow/tfjs-core";
import { expectShape } from "../geometry";
import { inputOf } from "../heap";
import { GROUP_NORM, GROUP_NORM_GRAD, groupLayout, isRelu, type Layout } from "../normalisation";
import { type Native, nativeKernel } from "./backend";

/** What both kernels do between pixels, channels and groups. */
function between(native: Native, { images, rows, channels, groups }: Layout) {
  const perGroup = channels / groups;
  const op = (name: string, ...inputs: number[]) => native.op(name, inputs).id;
  const weights = native.floats("even", [1, 1, rows], () => new Float32Array(rows).fill(1 / rows));
  const ones = native.floats("ones", [1, 1, perGroup], () => new Float32Array(perGroup).fill(1));
  const keep = { keep_dims: false, Tidx: native.int32 };
  return {
    op,
    /** `[B, H, W, C]` → `[B, H · W, C]`. */
    pixels: (id: number) => native.reshape(id, [images, rows, channels]),
    /** `[B, H · W, C]` → `[B, 1, C]`. */
    meanOfPixels: (id: number) => native.op("BatchMatMulV2", [weights, id], { adj_x: false, adj_y: false }).id,
    /** `[B, 1, C]` → `[B, G]`. */
    meanOfChannels: (id: number) => {
      const split = native.reshape(id, [images, groups, perGroup]);
      return native.op("Mean", [split, native.ints([2])], keep);
    },
    /** `[B, G]`, by default times 1 → `[B, 1, C]`. */
    toChannels: (id: number, factor?: number) => {
      const factors = factor === undefined ? ones : native.reshape(factor, [1, groups, perGroup]);
      return native.reshape(op("Mul", native.reshape(id, [images, groups, 1]), factors), [images, 1, channels]);
    },
    /** `[B, 1, C]` → `[C]`. */
    sumOfImages: (id: number) => native.op("Sum", [id, native.ints([0, 1])], keep),
  };
}

export const nativeGroupNorm = nativeKernel(GROUP_NORM, (native, inputs, attrs) => {
  const x = inputOf(GROUP_NORM, inputs, "x");
  const scale = inputOf(GROUP_NORM, inputs, "scale");
  const offset = inputOf(GROUP_NORM, inputs, "offset");
  const layout = groupLayout(GROUP_NORM, x, attrs);
  expectShape(GROUP_NORM, "scale", scale, [layout.channels]);
  expectShape(GROUP_NORM, "offset", offset, [layout.channels]);
  const relu = isRelu(GROUP_NORM, attrs);
  const { op, pixels, meanOfPixels, meanOfChannels, toChannels } = between(native, layout);
  const values = pixels(native.idOf(x));
  const mean = meanOfChannels(meanOfPixels(values));
  const centred = op("Sub", values, toChannels(mean.id));
  const variance = meanOfChannels(meanOfPixels(op("Square", centred)));
  const inverse = op("Rsqrt", op("AddV2", variance.id, native.scalar(attrs.epsilon as number)));
  const scaled = op("Mul", centred, toChannels(inverse, native.idOf(scale)));
  const shifted = op("AddV2", scaled, native.idOf(offset));
  const y = relu ? op("Relu", shifted) : shifted;
  return [native.op("Reshape", [y, native.ints(x.shape)], { Tshape: native.int32 }), mean, variance];
});

export const nativeGroupNormGrad = nativeKernel(GROUP_NORM_GRAD, (native, inputs, attrs) => {
  const input = (name: string): TensorInfo => inputOf(GROUP_NORM_GRAD, inputs, name);
  const [x, scale, epsilon] = [input("x"), input("scale"), attrs.epsilon as number];
  const layout = groupLayout(GROUP_NORM_GRAD, x, attrs);
  for (const name of ["dy", "y"]) expectShape(GROUP_NORM_GRAD, name, input(name), x.shape);
  for (const name of ["mean", "variance"]) expectShape(GROUP_NORM_GRAD, name, input(name), layout.statistics);
  expectShape(GROUP_NORM_GRAD, "scale", scale, [layout.channels]);
  const dy = native.idOf(input("dy"));
  const masked = isRelu(GROUP_NORM_GRAD, attrs) ? native.op("ReluGrad", [dy, native.idOf(input("y"))]).id : dy;
  const { op, pixels, meanOfPixels, meanOfChannels, toChannels, sumOfImages } = between(native, layout);
  const rows = native.scalar(layout.rows);
  const factor = native.idOf(scale);
  const gradient = pixels(masked);
  const inverse = op("Rsqrt", op("AddV2", native.idOf(input("variance")), native.scalar(epsilon))); // [B, G]
  const centred = op("Sub", pixels(native.idOf(x)), toChannels(native.idOf(input("mean"))));
  const normal = op("Mul", centred, toChannels(inverse));
  const meanGradient = meanOfPixels(gradient); // [B, 1, C]
  const meanProduct = meanOfPixels(op("Mul", gradient, normal)); // [B, 1, C]
  const ofGroup = (mean: number) => toChannels(op("Mul", meanOfChannels(op("Mul", mean, factor)).id, inverse));
  const own = op("Mul", gradient, toChannels(inverse, factor));
  const common = op("AddV2", op("Mul", normal, ofGroup(meanProduct)), ofGroup(meanGradient));
  const dx = op("Sub", own, common);
  return [
    native.op("Reshape", [dx, native.ints(x.shape)], { Tshape: native.int32 }),
    sumOfImages(op("Mul", meanProduct, rows)),
    sumOfImages(op("Mul", meanGradient, rows)),
  ];
});

// Convolutions with PyTorch's symmetric padding on every backend, and bilinear resizing with a gradient that is right for half-pixel
// centres (TensorFlow.js' own ignores them). Functions only; layers with weights are in layers.ts.
import * as tf from "@tensorflow/tfjs-core";
import { defineOperation } from "./kernels";

interface Padded {
  readonly x: tf.Tensor4D;
  readonly pad: "same" | "valid" | number;
  /** Only numeric padding may say how to round. */
  readonly rounding?: "floor";
}

function symmetric(x: tf.Tensor4D, kernelSize: number, stride: number): Padded {
  if (kernelSize === 1) return { x, pad: "valid" };
  if (stride === 1) return { x, pad: "same" };
  const p = (kernelSize - 1) / 2;
  if (tf.getBackend() !== "tensorflow") return { x, pad: p, rounding: "floor" };
  // TensorFlow proper has no numeric padding: pad by hand.
  const sides: [number, number] = [p, p];
  return { x: tf.pad4d(x, [[0, 0], sides, sides, [0, 0]]), pad: "valid" };
}

/**
 * Convolves with `(k - 1) / 2` zeros on every side.
 *
 * @param x `[B, H, W, Cin]`
 * @param filter `[k, k, Cin, Cout]`, k odd
 * @param stride default 1
 * @returns `[B, ceil(H / stride), ceil(W / stride), Cout]`
 * @example conv2d(x, filter, 2)
 */
export function conv2d(x: tf.Tensor4D, filter: tf.Tensor4D, stride = 1): tf.Tensor4D {
  return tf.tidy(() => {
    const { x: padded, pad, rounding } = symmetric(x, filter.shape[0], stride);
    return tf.conv2d(padded, filter, stride, pad, "NHWC", 1, rounding);
  });
}

/**
 * Convolves each channel with its own filter and `(k - 1) / 2` zeros on every side.
 *
 * @param x `[B, H, W, C]`
 * @param filter `[k, k, C, 1]`, k odd
 * @param stride default 1
 * @returns `[B, ceil(H / stride), ceil(W / stride), C]`
 * @example depthwiseConv2d(x, filter, 2)
 */
export function depthwiseConv2d(x: tf.Tensor4D, filter: tf.Tensor4D, stride = 1): tf.Tensor4D {
  return tf.tidy(() => {
    const { x: padded, pad, rounding } = symmetric(x, filter.shape[0], stride);
    return tf.depthwiseConv2d(padded, filter, stride, pad, "NHWC", 1, rounding);
  });
}

// The weights of 1-d linear interpolation with half-pixel centres and clamped ends, [to, from].
function interpolationMatrix(from: number, to: number): tf.Tensor2D {
  const m = new Float32Array(to * from);
  for (let i = 0; i < to; i++) {
    const at = Math.max(0, ((i + 0.5) * from) / to - 0.5);
    const low = Math.min(Math.floor(at), from - 1);
    const high = Math.min(low + 1, from - 1);
    const t = at - low;
    m[i * from + low]! += 1 - t;
    m[i * from + high]! += t;
  }
  return tf.tensor2d(m, [to, from]);
}

interface ResizeAttrs {
  readonly height: number;
  readonly width: number;
}

interface ResizeFromAttrs extends ResizeAttrs {
  /** Of the input, which is not kept for the gradient. */
  readonly from: readonly [number, number];
}

// dx = Ryᵀ · dy · Rx, as two matrix products an image: rows first, then columns.
const resizeBilinearGrad = defineOperation<ResizeAttrs>({
  name: "CaddetResizeBilinearGrad",
  compose: ({ dy }, { height, width }) => {
    const [b, toH, toW, c] = dy!.shape as [number, number, number, number];
    const rows = interpolationMatrix(height, toH);
    const columns = interpolationMatrix(width, toW);
    const byRow = tf.reshape(dy!, [b, toH, toW * c]);
    const shrunk = tf.matMul(tf.tile(tf.reshape(tf.transpose(rows), [1, height, toH]), [b, 1, 1]), byRow);
    const byColumn = tf.reshape(shrunk, [b * height, toW, c]);
    const out = tf.matMul(tf.tile(tf.reshape(tf.transpose(columns), [1, width, toW]), [b * height, 1, 1]), byColumn);
    return [tf.reshape(out, [b, height, width, c])];
  },
});

const resizeBilinearForward = defineOperation<ResizeFromAttrs>({
  name: "CaddetResizeBilinear",
  compose: ({ x }, { height, width }) => [tf.image.resizeBilinear(x as tf.Tensor4D, [height, width], false, true)],
  gradient: {
    inputsToSave: [],
    outputsToSave: [false],
    gradFunc: (dys, _, { from: [height, width] }) => ({
      x: () => resizeBilinearGrad({ dy: dys[0]! }, { height, width })[0]!,
    }),
  },
});

/**
 * Resizes by bilinear interpolation with half-pixel centres (PyTorch's `align_corners=False`).
 *
 * @param x `[B, H, W, C]`
 * @param size the exact target `[H', W']`
 * @returns `[B, H', W', C]`
 * @example resizeBilinear(x, [2 * h, 2 * w])
 */
export function resizeBilinear(x: tf.Tensor4D, size: readonly [number, number]): tf.Tensor4D {
  const from = [x.shape[1], x.shape[2]] as const;
  return resizeBilinearForward({ x }, { height: size[0], width: size[1], from })[0] as tf.Tensor4D;
}

// Bin i of n covers the cells floor(i·size/n) .. ceil((i+1)·size/n) - 1, each with equal weight. [n · n, H · W]
function poolingMatrix(height: number, width: number, n: number): tf.Tensor2D {
  const m = new Float32Array(n * n * height * width);
  const bin = (i: number, size: number) => [Math.floor((i * size) / n), Math.ceil(((i + 1) * size) / n)] as const;
  for (let i = 0; i < n; i++) {
    for (let j = 0; j < n; j++) {
      const [y0, y1] = bin(i, height);
      const [x0, x1] = bin(j, width);
      const weight = 1 / ((y1 - y0) * (x1 - x0));
      for (let y = y0; y < y1; y++)
        m.fill(weight, ((i * n + j) * height + y) * width + x0, ((i * n + j) * height + y) * width + x1);
    }
  }
  return tf.tensor2d(m, [n * n, height * width]);
}

interface PoolAttrs {
  readonly bins: number;
}

// One matrix product an image: few launches, and its gradient is one as well.
const pool = defineOperation<PoolAttrs>({
  name: "CaddetAdaptivePool",
  compose: ({ x }, { bins }) => {
    const [b, h, w, c] = x!.shape as [number, number, number, number];
    const matrix = tf.reshape(poolingMatrix(h, w, bins), [1, bins * bins, h * w]);
    return [tf.matMul(tf.tile(matrix, [b, 1, 1]), tf.reshape(x!, [b, h * w, c]))];
  },
  gradient: {
    inputsToSave: ["x"],
    outputsToSave: [false],
    gradFunc: (dys, [x], { bins }) => {
      const [, height, width] = x!.shape as [number, number, number, number];
      return { x: () => poolGrad({ dy: dys[0]! }, { bins, height, width })[0]! };
    },
  },
});

const poolGrad = defineOperation<PoolAttrs & ResizeAttrs>({
  name: "CaddetAdaptivePoolGrad",
  compose: ({ dy }, { bins, height, width }) => {
    const [b, , c] = dy!.shape as [number, number, number];
    const matrix = tf.reshape(poolingMatrix(height, width, bins), [1, bins * bins, height * width]);
    return [tf.reshape(tf.matMul(tf.tile(matrix, [b, 1, 1]), dy!, true), [b, height, width, c])];
  },
});

/**
 * Averages a map into n × n bins of (nearly) equal size, as PyTorch's adaptive average pooling does.
 *
 * @param x `[B, H, W, C]`
 * @param n bins a side
 * @returns `[B, n * n, C]`, row-major over the bins
 * @example adaptiveAveragePool(x, 2)
 */
export function adaptiveAveragePool(x: tf.Tensor4D, n: number): tf.Tensor3D {
  return pool({ x }, { bins: n })[0] as tf.Tensor3D;
}

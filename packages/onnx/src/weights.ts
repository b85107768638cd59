// A module's weights in ONNX's layout, with batch normalisation folded into the convolution before it. Arrays in, arrays out.
import { CheckpointError, type StoredArray } from "@caddet/core";

/** Added to variances; the default of core's norm layers, which no part of a detector changes. */
export const EPSILON = 1e-5;

/** Weights of a module by name, seen from one of its parts. */
export interface Weights {
  /** Those of a part. */
  at(part: string): Weights;
  /** Whether there is an array of this name. */
  has(name: string): boolean;
  /** The array of this name, and its shape. */
  get(name: string): { readonly data: Float32Array; readonly shape: readonly number[] };
}

/** A convolution's weight in ONNX's layout, and its bias. */
export interface ConvWeights {
  /** `[Cout, Cin / groups, k, k]` */
  readonly weight: Float32Array;
  readonly shape: readonly number[];
  /** `[Cout]` */
  readonly bias: Float32Array;
}

/**
 * Looks at a module's arrays part by part.
 *
 * @param state what `readState` gave
 * @param prefix dotted path of the part, with a dot at the end
 * @returns access to its arrays, which throws CheckpointError for one that is missing or has a value that is not finite
 */
export function weightsOf(state: ReadonlyMap<string, StoredArray>, prefix = ""): Weights {
  return {
    at: (part) => weightsOf(state, `${prefix}${part}.`),
    has: (name) => state.has(prefix + name),
    get: (name) => {
      const array = state.get(prefix + name);
      if (!(array?.data instanceof Float32Array)) {
        throw new CheckpointError(`The detector has no weights "${prefix}${name}", which an export needs.`, { name });
      }
      if (!array.data.every(Number.isFinite)) {
        throw new CheckpointError(`"${prefix}${name}" holds NaN or infinite numbers. Export another checkpoint.`, {
          name: prefix + name,
        });
      }
      return { data: array.data, shape: array.shape };
    },
  };
}

// [k, k, Cin, Cout] to [Cout, Cin, k, k], each output channel times its factor.
function outputsFirst(data: Float32Array, shape: readonly number[], factors?: ArrayLike<number>): Float32Array {
  const [, , cin, cout] = shape as [number, number, number, number];
  const cells = shape[0]! * shape[1]!;
  const out = new Float32Array(data.length);
  for (let from = 0, cell = 0; cell < cells; cell++) {
    for (let i = 0; i < cin; i++) {
      for (let o = 0; o < cout; o++) out[(o * cin + i) * cells + cell] = data[from++]! * (factors?.[o] ?? 1);
    }
  }
  return out;
}

/**
 * The weights of a convolution, with a norm behind it folded in.
 *
 * @param conv of a `Conv`
 * @param norm of the `BatchNorm` that follows, if any
 * @param gain multiplies the result, at least 0. Default 1
 * @returns weight `[Cout, Cin, k, k]` and bias `[Cout]`
 */
export function convWeights(conv: Weights, norm?: Weights, gain = 1): ConvWeights {
  const { data, shape } = conv.get("weight");
  const [height, width, cin, cout] = shape as [number, number, number, number];
  const own = conv.has("bias") ? conv.get("bias").data : new Float32Array(cout);
  const factors = new Float64Array(cout).fill(gain);
  const bias = Float32Array.from(own, (b) => b * gain);
  if (norm) {
    const [scale, offset] = [norm.get("weight").data, norm.get("bias").data];
    const [mean, variance] = [norm.get("runningMean").data, norm.get("runningVariance").data];
    for (let o = 0; o < cout; o++) {
      const slope = scale[o]! / Math.sqrt(variance[o]! + EPSILON);
      factors[o] = slope * gain;
      bias[o] = (offset[o]! + (own[o]! - mean[o]!) * slope) * gain;
    }
  }
  const weight = outputsFirst(data, shape, factors);
  return { weight, shape: [cout, cin, height, width], bias };
}

/**
 * The weight of a depthwise convolution.
 *
 * @param conv of a `DepthwiseConv`
 * @returns `[C, 1, k, k]`
 */
export function depthwiseWeights(conv: Weights): Omit<ConvWeights, "bias"> {
  const { data, shape } = conv.get("weight");
  const [height, width, channels] = shape as [number, number, number, number];
  // For one input channel of C outputs, the layouts are those of a full convolution.
  return {
    weight: outputsFirst(data, [height, width, 1, channels]),
    shape: [channels, 1, height, width],
  };
}

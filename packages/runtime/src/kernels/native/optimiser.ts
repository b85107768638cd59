// The update of SGD, the running moments of batch normalisation and the sum of squares for clipping. A small parameter is cheaper to update in JavaScript than by one launch of
// libtensorflow, and most parameters are small; a large one goes through as few passes as its settings allow.
import type { NamedAttrMap, NamedTensorInfoMap, TensorInfo } from "@tensorflow/tfjs-core";
import { expectShape } from "../geometry";
import { inputOf, sizeOf } from "../heap";
import { MOVING_MOMENTS } from "../normalisation";
import { SGD, SUM_OF_SQUARES } from "../optimiser";
import { type Handle, type Native, nativeKernel, whole } from "./backend";

// Where the loop's 2 ns a value reach the launches' cost.
const LARGEST_LOOP = 16384;

interface Sgd {
  readonly parameter: TensorInfo;
  readonly gradient: TensorInfo;
  readonly momentum: TensorInfo;
  readonly scale: number;
  readonly learningRate: number;
  readonly friction: number;
  readonly weightDecay: number;
}

function sgdOf(native: Native, inputs: NamedTensorInfoMap, attrs: NamedAttrMap): Sgd {
  const parameter = inputOf(SGD, inputs, "parameter");
  const gradient = inputOf(SGD, inputs, "gradient");
  const momentum = inputOf(SGD, inputs, "momentum");
  expectShape(SGD, "gradient", gradient, parameter.shape);
  expectShape(SGD, "momentum", momentum, parameter.shape);
  const [scale] = native.read(inputOf(SGD, inputs, "gradientScale"));
  const { learningRate, momentum: friction, weightDecay } = attrs as Record<string, number>;
  return {
    parameter,
    gradient,
    momentum,
    scale: scale!,
    learningRate: learningRate!,
    friction: friction!,
    weightDecay: weightDecay!,
  };
}

function byLoop(native: Native, sgd: Sgd): Handle[] {
  const { scale, learningRate, friction, weightDecay } = sgd;
  const p = native.read(sgd.parameter);
  const g = native.read(sgd.gradient);
  const m = native.read(sgd.momentum);
  const [nextP, nextM] = [new Float32Array(p.length), new Float32Array(p.length)];
  for (let i = 0; i < p.length; i++) {
    const speed = friction * m[i]! + scale * g[i]! + weightDecay * p[i]!;
    nextM[i] = speed;
    nextP[i] = p[i]! - learningRate * speed;
  }
  return [native.write(nextP, sgd.parameter.shape), native.write(nextM, sgd.parameter.shape)];
}

function byOperations(native: Native, sgd: Sgd): Handle[] {
  const times = (id: number, factor: number) => (factor === 1 ? id : native.op("Mul", [id, native.scalar(factor)]).id);
  const [p, g, m] = [sgd.parameter, sgd.gradient, sgd.momentum].map((tensor) => native.idOf(tensor)) as [
    number,
    number,
    number,
  ];
  const terms = [times(m, sgd.friction), times(g, sgd.scale)];
  if (sgd.weightDecay !== 0) terms.push(times(p, sgd.weightDecay));
  const speed = native.op("AddN", terms, { N: whole(terms.length) });
  return [native.op("Sub", [p, times(speed.id, sgd.learningRate)]), speed];
}

export const nativeSgd = nativeKernel(SGD, (native, inputs, attrs) => {
  const sgd = sgdOf(native, inputs, attrs);
  return sizeOf(sgd.parameter.shape) <= LARGEST_LOOP ? byLoop(native, sgd) : byOperations(native, sgd);
});

export const nativeMovingMoments = nativeKernel(MOVING_MOMENTS, (native, inputs, attrs) => {
  const { momentum, unbias } = attrs as Record<string, number>;
  const moved = (running: string, batch: string, weight: number) => {
    if (native.isRecorded) {
      const [old, own] = [running, batch].map((name) => native.idOf(inputOf(MOVING_MOMENTS, inputs, name)));
      const kept = native.op("Mul", [old!, native.scalar(1 - momentum!)]);
      return native.op("AddV2", [kept.id, native.op("Mul", [own!, native.scalar(weight)]).id]);
    }
    const [old, own] = [running, batch].map((name) => native.read(inputOf(MOVING_MOMENTS, inputs, name)));
    const next = Float32Array.from(old!, (value, i) => (1 - momentum!) * value + weight * own![i]!);
    return native.write(next, [next.length]);
  };
  return [moved("runningMean", "mean", momentum!), moved("runningVariance", "variance", momentum! * unbias!)];
});

export const nativeSumOfSquares = nativeKernel(SUM_OF_SQUARES, (native, inputs) => {
  let total = 0;
  for (const name of Object.keys(inputs)) {
    const x = inputOf(SUM_OF_SQUARES, inputs, name);
    if (sizeOf(x.shape) <= LARGEST_LOOP) {
      for (const value of native.read(x)) total += value * value;
    } else {
      const [half] = native.valuesOf(native.op("L2Loss", [native.idOf(x)]).id);
      total += 2 * half!;
    }
  }
  return native.write(Float32Array.of(total), []);
});

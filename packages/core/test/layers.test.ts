import * as tf from "@tensorflow/tfjs-core";
import { describe, expect, it } from "vitest";
import {
  BatchNorm,
  Conv,
  createRandom,
  DepthwiseConv,
  depthwiseConv2d,
  GroupNorm,
  groupNorm,
  Linear,
  type Module,
  readState,
} from "../src";
import { backends, onBackend } from "./backends";
import { expectOnlyResults, mixed } from "./check-gradients";

const random = () => createRandom(1);
const shapes = (module: Module) => Object.fromEntries([...module.stateDict()].map(([name, v]) => [name, v.shape]));
const deviation = (data: ArrayLike<number>) =>
  Math.sqrt(Array.from(data).reduce((sum, v) => sum + v * v, 0) / data.length);

describe.each(backends)("layers on %s", (backend) => {
  it("Conv convolves and adds its bias", () =>
    onBackend(backend, async () => {
      const conv = new Conv({ inChannels: 2, outChannels: 3, kernelSize: 3, stride: 2, bias: 0.5, random: random() });
      expect(shapes(conv)).toEqual({ weight: [3, 3, 2, 3], bias: [3] });
      const x = tf.zeros<tf.Rank.R4>([1, 5, 4, 2]);
      const y = conv.apply(x);
      expect(y.shape).toEqual([1, 3, 2, 3]);
      expect((await y.data()).every((v) => v === 0.5)).toBe(true);
      expectOnlyResults(() => conv.apply(x));
      conv.dispose();
      tf.dispose([x, y]);
    }));

  it("Conv without a bias has none", () =>
    onBackend(backend, async () => {
      const conv = new Conv({ inChannels: 2, outChannels: 3, bias: false, random: random() });
      expect(shapes(conv)).toEqual({ weight: [1, 1, 2, 3] });
      const x = mixed([1, 2, 2, 2]) as tf.Tensor4D;
      expectOnlyResults(() => conv.apply(x));
      conv.dispose();
      x.dispose();
    }));

  it("DepthwiseConv convolves each channel", () =>
    onBackend(backend, async () => {
      const conv = new DepthwiseConv({ channels: 3, stride: 2, random: random() });
      expect(shapes(conv)).toEqual({ weight: [3, 3, 3, 1] });
      const x = mixed([2, 4, 5, 3]) as tf.Tensor4D;
      const [y, want] = [conv.apply(x), depthwiseConv2d(x, conv.weight as tf.Tensor4D, 2)];
      expect(await y.data()).toEqual(await want.data());
      expectOnlyResults(() => conv.apply(x));
      conv.dispose();
      tf.dispose([x, y, want]);
    }));

  it("BatchNorm follows the batch's mean and unbiased variance, and uses them at inference", () =>
    onBackend(backend, async () => {
      const norm = new BatchNorm(1, { momentum: 0.25, epsilon: 1e-5 });
      const x = tf.tensor4d([1, 3, 5, 7], [4, 1, 1, 1]); // mean 4, unbiased variance 20 / 3
      const y = norm.apply(x, { training: true });
      const state = await readState(norm);
      expect(state.get("runningMean")!.data[0]).toBeCloseTo(0.25 * 4, 6);
      expect(state.get("runningVariance")!.data[0]).toBeCloseTo(0.75 + (0.25 * 20) / 3, 5);
      expect([...norm.namedParameters().keys()]).toEqual(["weight", "bias"]);
      expect([...norm.namedBuffers().keys()]).toEqual(["runningMean", "runningVariance"]);

      const residual = tf.fill<tf.Rank.R4>([4, 1, 1, 1], -1);
      const plain = norm.apply(x, { training: false });
      const active = norm.apply(x, { training: false, activation: "relu", residual });
      const want = [1, 3, 5, 7].map((v) => (v - 1) / Math.sqrt(0.75 + (0.25 * 20) / 3 + 1e-5));
      const [got, rectified] = [await plain.data(), await active.data()];
      for (const [i, v] of want.entries()) {
        expect(got[i]).toBeCloseTo(v, 5);
        expect(rectified[i]).toBeCloseTo(Math.max(v - 1, 0), 5);
      }
      expect((await readState(norm)).get("runningMean")).toEqual(state.get("runningMean"));
      expectOnlyResults(() => norm.apply(x, { training: true, activation: "relu", residual }));
      expectOnlyResults(() => norm.apply(x, { training: false, activation: "relu", residual }));
      norm.dispose();
      tf.dispose([x, y, residual, plain, active]);
    }));

  it("BatchNorm takes a single value a channel", () =>
    onBackend(backend, async () => {
      const norm = new BatchNorm(2);
      const x = mixed([1, 1, 1, 2]) as tf.Tensor4D;
      const y = norm.apply(x, { training: true });
      expect(Array.from(await y.data())).toEqual([0, 0]);
      expect((await readState(norm)).get("runningVariance")!.data).toEqual(Float32Array.of(0.9, 0.9));
      norm.dispose();
      tf.dispose([x, y]);
    }));

  it("BatchNorm that is frozen trains by its running moments, and leaves them alone", () =>
    onBackend(backend, async () => {
      const norm = new BatchNorm(2);
      tf.tidy(() => {
        norm.runningMean.assign(tf.tensor1d([1, -1]));
        norm.runningVariance.assign(tf.tensor1d([4, 0.25]));
      });
      const state = await readState(norm);
      norm.frozen = true;
      const x = mixed([2, 3, 2, 2]) as tf.Tensor4D;
      const options = { activation: "relu", residual: x } as const;
      const [y, want] = [norm.apply(x, { training: true, ...options }), norm.apply(x, { training: false, ...options })];
      expect(await y.data()).toEqual(await want.data());
      expect(await readState(norm)).toEqual(state);
      // d (sum of y) / d offset counts the values that pass the activation
      const { value, grads } = tf.variableGrads(
        () => tf.sum(norm.apply(x, { training: true, ...options })) as tf.Scalar,
        [norm.weight, norm.bias],
      );
      const open = Array.from(await y.data()).reduce((n, v, i) => n + (i % 2 === 0 && v > 0 ? 1 : 0), 0);
      expect((await grads[norm.bias.name]!.data())[0]).toBeCloseTo(open, 5);
      expectOnlyResults(() => norm.apply(x, { training: true, ...options }));
      norm.frozen = false;
      norm.apply(x, { training: true }).dispose();
      expect(await readState(norm)).not.toEqual(state);
      norm.dispose();
      tf.dispose([x, y, want, value, grads] as tf.TensorContainer);
    }));

  it("GroupNorm is groupNorm with its weights", () =>
    onBackend(backend, async () => {
      const norm = new GroupNorm(4, 2);
      const [scale, offset] = [mixed([4], 1), mixed([4], 2)] as [tf.Tensor1D, tf.Tensor1D];
      norm.weight.assign(scale);
      norm.bias.assign(offset);
      const x = mixed([2, 3, 2, 4]) as tf.Tensor4D;
      const [y, want] = [
        norm.apply(x, { activation: "relu" }),
        groupNorm(x, scale, offset, { groups: 2, activation: "relu" }),
      ];
      expect(await y.data()).toEqual(await want.data());
      expectOnlyResults(() => norm.apply(x));
      norm.dispose();
      tf.dispose([scale, offset, x, y, want]);
    }));

  it("Linear maps rows and adds its bias, and passes gradients to both", () =>
    onBackend(backend, async () => {
      const linear = new Linear({ inFeatures: 2, outFeatures: 3, bias: 1.5, random: random() });
      expect(shapes(linear)).toEqual({ weight: [2, 3], bias: [3] });
      const { data } = (await readState(linear)).get("weight")!;
      const x = tf.tensor2d([[2, -1]]);
      const y = linear.apply(x);
      const got = await y.data();
      for (let k = 0; k < 3; k++) expect(got[k]).toBeCloseTo(2 * Number(data[k]) - Number(data[3 + k]) + 1.5, 5);
      const { value, grads } = tf.variableGrads(
        () => tf.sum(linear.apply(x)) as tf.Scalar,
        [linear.weight, linear.bias],
      );
      expect(Array.from(await grads[linear.weight.name]!.data())).toEqual([2, 2, 2, -1, -1, -1]);
      expect(Array.from(await grads[linear.bias.name]!.data())).toEqual([1, 1, 1]);
      expectOnlyResults(() => linear.apply(x));
      linear.dispose();
      tf.dispose([x, y, value, grads]);
    }));
});

describe("start weights", () => {
  it("follow He's rule, or the deviation that is asked for", () =>
    onBackend("cpu", async () => {
      const layers = [
        {
          layer: new Conv({ inChannels: 16, outChannels: 64, kernelSize: 3, random: random() }),
          want: Math.sqrt(2 / 144),
        },
        { layer: new Conv({ inChannels: 64, outChannels: 64, init: { std: 0.01 }, random: random() }), want: 0.01 },
        { layer: new DepthwiseConv({ channels: 512, random: random() }), want: Math.sqrt(2 / 9) },
        { layer: new Linear({ inFeatures: 100, outFeatures: 50, random: random() }), want: 1 / Math.sqrt(300) },
      ];
      for (const { layer, want } of layers) {
        const data = await layer.weight.data();
        expect(Math.abs(deviation(data) / want - 1)).toBeLessThan(0.05);
        layer.dispose();
      }
    }));

  it("are the same for the same seed and others for another", () =>
    onBackend("cpu", async () => {
      const make = (seed: number) => new Linear({ inFeatures: 3, outFeatures: 3, random: createRandom(seed) });
      const [a, b, c] = [make(1), make(1), make(2)];
      const [x, y, z] = await Promise.all([a, b, c].map((layer) => layer.weight.data()));
      expect(x).toEqual(y);
      expect(x).not.toEqual(z);
      for (const layer of [a, b, c]) layer.dispose();
    }));
});

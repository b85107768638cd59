// MobileNets and FPNLite against PyTorch: maps in inference mode, loss and gradients in training mode, on every backend present.
import { createRandom, fromTorchLayout, type Module, type StoredArray } from "@caddet/core";
import * as tf from "@tensorflow/tfjs-core";
import { describe, expect, it } from "vitest";
import { backends, onBackend } from "#test/backends";
import {
  createFpnLite,
  createMobileNetV1,
  createMobileNetV2,
  mobileNetV1FromTorch,
  mobileNetV2FromTorch,
} from "../src";
import { expectMaps, type GoldenCase, goldenCase, goldenInputs, goldenLoss, goldenState } from "./golden";

const WIDTH = 0.1;

// fixtures/make-goldens.py names the parts of its FPNLite as we do.
function fpnLiteFromTorch(arrays: ReadonlyMap<string, StoredArray>): Map<string, StoredArray> {
  return new Map(
    [...arrays].map(([name, array]) => {
      const target = name.replace("running_mean", "runningMean").replace("running_var", "runningVariance");
      const matrix = name.includes("depthwise") ? "depthwise" : "conv";
      return [target, fromTorchLayout(array, array.shape.length === 4 ? matrix : "vector", name)];
    }),
  );
}

interface Subject {
  readonly module: Module;
  run(inputs: tf.Tensor4D[], training: boolean): tf.Tensor4D[];
}

const mobileNet = (create: typeof createMobileNetV1) => (): Subject => {
  const module = create({ width: WIDTH, random: createRandom(0) });
  return { module, run: ([images], training) => module.taps(images!, { training }) };
};

const fpnLite = (): Subject => {
  const strides = [8, 16, 32];
  const module = createFpnLite({ inChannels: [4, 6, 10], strides, depth: 8, random: createRandom(0) });
  return { module, run: (maps, training) => [...module.forward({ maps, strides }, { training }).maps] };
};

const subjects = [
  ["mobilenet-v1", mobileNet(createMobileNetV1), mobileNetV1FromTorch],
  ["mobilenet-v2", mobileNet(createMobileNetV2), mobileNetV2FromTorch],
  ["fpn-lite", fpnLite, fpnLiteFromTorch],
] as const;

async function expectGradients(golden: GoldenCase, { module, run }: Subject, ours: Map<string, string>) {
  const inputs = goldenInputs(golden);
  const parameters = module.namedParameters();
  const trained = Object.keys(golden.gradients).map((name) => parameters.get(ours.get(name)!)!.variable);
  const { value, grads } = tf.variableGrads(() => goldenLoss(run(inputs, true)), trained);
  expect((await value.data())[0]! / golden.trainLoss).toBeCloseTo(1, 4);
  const wanted = Object.entries(golden.gradients);
  const largest = Math.max(...wanted.map(([, sum]) => sum));
  for (const [i, [name, sum]] of wanted.entries()) {
    const absolute = tf.tidy(() => tf.sum(tf.abs(grads[trained[i]!.name]!)));
    const got = (await absolute.data())[0]!;
    expect(Math.abs(got - sum), `${name}: ${got} should be ${sum}`).toBeLessThan(1e-3 * sum + 1e-6 * largest);
    absolute.dispose();
  }
  tf.dispose([...inputs, value, ...Object.values(grads)]);
}

describe.each(backends)("on %s", (backend) => {
  it.each(subjects)("%s gives PyTorch's maps", (name, make, fromTorch) =>
    onBackend(backend, async () => {
      const golden = goldenCase(name);
      const subject = make();
      const { loaded, unexpected } = subject.module.loadStateDict(fromTorch(goldenState(golden)), { strict: false });
      expect(loaded.length + unexpected.length).toBe(golden.names.length);
      expect(unexpected.every((key) => key.startsWith("classifier."))).toBe(true);
      const inputs = goldenInputs(golden);
      const maps = tf.tidy(() => subject.run(inputs, false));
      await expectMaps(maps, golden.eval);
      tf.dispose([...inputs, ...maps]);
      subject.module.dispose();
    }),
  );

  it.each(subjects)("%s gives PyTorch's loss and gradients in training", (name, make, fromTorch) =>
    onBackend(backend, async () => {
      const golden = goldenCase(name);
      const subject = make();
      const state = goldenState(golden);
      const mapped = fromTorch(state);
      subject.module.loadStateDict(mapped, { strict: false });
      const theirs = [...state.keys()];
      const ours = new Map([...mapped.keys()].map((key, i) => [theirs[i]!, key]));
      await expectGradients(golden, subject, ours);
      subject.module.dispose();
    }),
  );
});

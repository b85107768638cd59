// The supernet against PyTorch: features, gates, gradients of every weight and running moments, on every backend present.
import { readFileSync } from "node:fs";
import { gunzipSync } from "node:zlib";
import { createRandom, parseSafetensors, type StoredArray } from "@caddet/core";
import * as tf from "@tensorflow/tfjs-core";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { backends, useBackend } from "#test/backends";
import { createSupernet, PRESETS, type Supernet, supernetFromTorch } from "../src";

const file = new URL("./fixtures/caddet_tiny_0.safetensors.gz", import.meta.url);
const { arrays } = parseSafetensors(gunzipSync(readFileSync(file)));
const named = (prefix: string) =>
  new Map([...arrays].filter(([k]) => k.startsWith(prefix)).map(([k, v]) => [k.slice(prefix.length), v]));

const tensor = ({ data, shape }: StoredArray) => tf.tensor(data as Float32Array, [...shape]);
const nhwc = (name: string) => tf.tidy(() => tf.transpose(tensor(arrays.get(name)!), [0, 2, 3, 1]) as tf.Tensor4D);

// ‖a − b‖ / ‖b‖. One gradient of the fixture is zero but for rounding (norm 4e-8): there ‖a‖ must be small as well.
async function distance(a: tf.Tensor, b: tf.Tensor): Promise<number> {
  expect(a.shape).toEqual(b.shape);
  const [x, y] = await Promise.all([a.data<"float32">(), b.data<"float32">()]);
  const normOf = (at: (i: number) => number) => Math.sqrt(y.reduce((sum, _, i) => sum + at(i) ** 2, 0));
  const norm = normOf((i) => y[i]!);
  return norm < 1e-6 ? normOf((i) => x[i]!) : normOf((i) => x[i]! - y[i]!) / norm;
}

describe.each(backends)("supernet on %s", (backend) => {
  let net: Supernet;
  let images: tf.Tensor4D;

  beforeAll(async () => {
    await useBackend(backend);
    net = createSupernet({ ...PRESETS.tiny, random: createRandom(0) });
    images = nhwc("input");
  });
  afterAll(() => {
    net.dispose();
    images.dispose();
  });

  const loss = () => {
    const { features, gates } = net.forward(images, { training: true });
    const squares = features.maps.map((m) => tf.mean(tf.square(m)));
    const means = net.space.nodes.map((n) => tf.mean(tf.slice(gates.values, [0, n.paths[0]!], [-1, n.paths.length])));
    return tf.addN([...squares, ...means]) as tf.Scalar;
  };

  const expectGates = (values: ArrayLike<number>, prefix: string) => {
    const p = net.space.paths.length;
    for (const node of net.space.nodes) {
      const want = arrays.get(`${prefix}/gate/${node.layer}_${node.scale}`)!.data;
      const k = node.paths.length;
      for (let b = 0; b < 2; b++) {
        for (const [i, path] of node.paths.entries()) {
          expect(values[b * p + path]).toBeCloseTo(Number(want[b * k + i]), 4);
        }
      }
    }
  };

  it("gives PyTorch's features and gates in inference mode, dense and routed, plain and frozen", async () => {
    net.loadStateDict(supernetFromTorch(named("weight/")));
    const before = tf.memory().numTensors;
    const frozen = net.freeze();
    for (const model of [net, frozen]) {
      const dense = model.forward(images, { training: false });
      const routed = await model.forwardRouted(images);
      expectGates(await dense.gates.values.data(), "eval");
      for (const [i, map] of dense.features.maps.entries()) {
        const want = nhwc(`eval/C${i + 3}`);
        expect(await distance(map, want)).toBeLessThan(1e-3);
        expect(await distance(routed.features.maps[i]!, want)).toBeLessThan(1e-3);
        want.dispose();
      }
      tf.dispose([dense.features.maps, dense.gates.values, routed.features.maps] as tf.Tensor[][]);
    }
    frozen.dispose();
    expect(tf.memory().numTensors).toBe(before);
  });

  it("gives PyTorch's features, loss, gradients and running moments in training mode", async () => {
    net.loadStateDict(supernetFromTorch(named("weight/")));
    const before = tf.memory().numTensors;
    const train = net.forward(images, { training: true });
    expectGates(await train.gates.values.data(), "train");
    for (const [i, map] of train.features.maps.entries()) {
      const want = nhwc(`train/C${i + 3}`);
      expect(await distance(map, want)).toBeLessThan(1e-3);
      want.dispose();
    }
    tf.dispose([train.features.maps, train.gates.values] as tf.Tensor[][]);

    net.loadStateDict(supernetFromTorch(named("weight/")));
    const parameters = net.namedParameters();
    const { value, grads } = tf.variableGrads(
      loss,
      [...parameters.values()].map((p) => p.variable),
    );
    expect((await value.data())[0]).toBeCloseTo(Number(arrays.get("train/loss")!.data[0]), 3);
    for (const [name, array] of supernetFromTorch(named("grad/"))) {
      const want = tensor(array);
      const { variable } = parameters.get(name)!;
      const got = grads[variable.name] ?? tf.zeros(variable.shape);
      expect(await distance(got, want), name).toBeLessThan(1e-3);
      tf.dispose([want, got]);
    }
    const after = supernetFromTorch(named("after/"));
    for (const [name, buffer] of net.namedBuffers()) {
      const want = tensor(after.get(name)!);
      expect(await distance(buffer, want), name).toBeLessThan(1e-3);
      want.dispose();
    }
    value.dispose();
    expect(tf.memory().numTensors).toBe(before);
  });
});

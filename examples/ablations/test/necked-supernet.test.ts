// The supernet with FPNLite as one backbone: levels, gates, agreement of both executors, tensors, configuration.
import "@tensorflow/tfjs-backend-cpu";
import { createRandom } from "@caddet/core";
import * as tf from "@tensorflow/tfjs-core";
import { beforeAll, expect, it } from "vitest";
import { constantMadds, routedMadds } from "../src/backbone-cost";
import { type NeckedSupernet, neckedSupernetFactory } from "../src/necked-supernet";

const config = neckedSupernetFactory.parse({
  supernet: { preset: "tiny", layers: 3, channels: [4, 8], pyramid: 8 },
  neck: { depth: 6, levels: 3 },
});
const build = () => neckedSupernetFactory.build(config, { random: createRandom(1) });

beforeAll(() => tf.setBackend("cpu"));

const withImages = async (use: (backbone: NeckedSupernet, images: tf.Tensor4D) => unknown) => {
  const backbone = build();
  const images = tf.randomNormal([2, 48, 80, 3], 0, 1, "float32", 5) as tf.Tensor4D;
  await use(backbone, images);
  images.dispose();
  backbone.dispose();
};

it("gives the neck's levels and the supernet's gates", async () => {
  const before = tf.memory().numTensors;
  await withImages(async (backbone, images) => {
    const { features, gates } = backbone.forward(images, { training: true });
    expect(features.maps.map(({ shape }) => shape)).toEqual([
      [2, 6, 10, 6],
      [2, 3, 5, 6],
      [2, 2, 3, 6],
    ]);
    expect(features.strides).toEqual([8, 16, 32]);
    expect(gates.values.shape).toEqual([2, backbone.supernet.space.paths.length]);
    tf.dispose([...features.maps, gates.values]);
  });
  expect(tf.memory().numTensors).toBe(before);
});

it("computes the same when it skips what is closed", async () => {
  const before = tf.memory().numTensors;
  await withImages(async (backbone, images) => {
    const dense = backbone.forward(images, { training: false });
    const routed = await backbone.forwardRouted(images);
    for (const [l, map] of dense.features.maps.entries()) {
      const [a, b] = await Promise.all([map.data(), routed.features.maps[l]!.data()]);
      expect(Math.max(...a.map((v, i) => Math.abs(v - b[i]!)))).toBeLessThan(1e-4);
    }
    tf.dispose([...dense.features.maps, dense.gates.values, ...routed.features.maps]);
  });
  expect(tf.memory().numTensors).toBe(before);
});

it("costs what runs in the supernet, and its constant parts with the neck", async () => {
  await withImages(async (backbone, images) => {
    const { features, gates, madds } = await backbone.forwardRouted(images);
    tf.dispose([...features.maps]);
    const size = { height: 48, width: 80 };
    expect([...routedMadds(backbone, gates, size)]).toEqual([...madds]);
    const { stem, routers, pyramid, total } = backbone.supernet.cost(size);
    expect(constantMadds(backbone, size)).toBe(stem + routers + pyramid + backbone.neck.cost(size).total);
    const open = new Float32Array(gates.length).fill(1);
    expect(routedMadds(backbone, open, size)[0]).toBe(total);
  });
});

it("names a wrong setting by its path", () => {
  expect(() => neckedSupernetFactory.parse({ neck: { deep: 3 } }, "model.backbone")).toThrow("model.backbone.neck");
  expect(() => neckedSupernetFactory.parse({ supernet: { layer: 3 } }, "model.backbone")).toThrow("supernet.layer");
  expect(neckedSupernetFactory.parse(config)).toEqual(config);
});

it("leaves no tensor when the neck cannot be made", () => {
  const before = tf.memory().numTensors;
  const wrong = neckedSupernetFactory.parse({ supernet: config.supernet, neck: { levels: 1 } });
  expect(() => neckedSupernetFactory.build(wrong, { random: createRandom(1) })).toThrow("levels");
  expect(tf.memory().numTensors).toBe(before);
});

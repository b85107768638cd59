// The supernet as a module and a Backbone: names, presets, options, routers of others. That its executors agree is in executors.test.ts.
import { ConfigError, createRandom, Module, type Router, readState } from "@caddet/core";
import * as tf from "@tensorflow/tfjs-core";
import { beforeAll, describe, expect, it } from "vitest";
import { backends, useBackend, valuesOf } from "#test/backends";
import { createSupernet, PRESETS, type SupernetOptions } from "../src";

const tiny = (options: Partial<SupernetOptions> = {}, seed = 0) =>
  createSupernet({ ...PRESETS.tiny, random: createRandom(seed), ...options });

const SIZE = { height: 32, width: 48 };
const imagesOf = (batch: number) =>
  tf.randomNormal([batch, SIZE.height, SIZE.width, 3], 0, 1, "float32", 1) as tf.Tensor4D;

const distance = async (a: tf.Tensor, b: tf.Tensor) => (await valuesOf(() => [tf.max(tf.abs(tf.sub(a, b)))]))[0]![0]!;

/** A router that looks at nothing: path k of each node has the gate `gates[k]`. */
class ConstantRouter extends Module implements Router {
  constructor(
    readonly gates: readonly number[],
    readonly calls: number[][] = [],
  ) {
    super();
  }

  forward(features: tf.Tensor4D): tf.Tensor2D {
    this.calls.push(features.shape);
    return tf.tidy(() => tf.tile(tf.tensor2d([...this.gates], [1, this.gates.length]), [features.shape[0], 1]));
  }

  madds(height: number, width: number): number {
    return height * width;
  }
}

describe.each(backends)("createSupernet on %s", (backend) => {
  beforeAll(() => useBackend(backend));

  it.each(["small", "tiny"] as const)("builds %s: a Backbone with five levels", (preset) => {
    const before = tf.memory().numTensors;
    const net = createSupernet({ ...PRESETS[preset], random: createRandom(0) });
    expect(net.space.shape).toEqual(PRESETS[preset]);
    expect([net.strides, net.channels]).toEqual([[8, 16, 32, 64, 128], PRESETS[preset].pyramid]);
    expect(net.routing.nodeOfPath).toBe(net.space.nodeOfPath);
    expect(net.routing.threshold).toBe(1e-4);
    net.dispose();
    expect(tf.memory().numTensors).toBe(before);
  });

  it("has as many convolution weights as the cost model counts where each map is one cell", () => {
    const net = tiny();
    const weights = (pattern: RegExp) =>
      [...net.namedParameters()].reduce((n, [name, p]) => n + (pattern.test(name) ? p.variable.size : 0), 0);
    const { blocks, paths, pyramid } = net.cost({ height: 8, width: 8 });
    expect(weights(/\.block\.\d+\.(depthwise|pointwise)\.weight$/)).toBe(blocks);
    expect(weights(/\.(up|down)\.conv\.weight$/)).toBe(paths);
    expect(weights(/^(project\.\d|extra)\.weight$/)).toBe(pyramid);
    net.dispose();
  });

  it("draws the same weights from the same seed", async () => {
    const [a, b, c] = [tiny({}, 1), tiny({}, 1), tiny({}, 2)];
    const [first, same, other] = await Promise.all([a, b, c].map(readState));
    expect(first).toEqual(same);
    expect(first).not.toEqual(other);
    for (const net of [a, b, c]) net.dispose();
  });

  it("gives a pyramid of the announced sizes, for any number of scales", () => {
    for (const channels of [[4], [4, 6, 8], [2, 3, 4, 5, 6]]) {
      const net = tiny({ channels, layers: 5, pyramid: 7 });
      const images = imagesOf(1);
      const { features, gates } = net.forward(images, { training: false });
      expect(features.maps).toHaveLength(channels.length + 1);
      expect(net.strides).toEqual(features.strides);
      for (const [i, map] of features.maps.entries()) {
        const side = (v: number) => Math.ceil(v / net.strides[i]!);
        expect(map.shape).toEqual([1, side(SIZE.height), side(SIZE.width), 7]);
      }
      expect(gates.values.shape).toEqual([1, net.space.paths.length]);
      tf.dispose([images, features.maps, gates.values] as tf.TensorContainer);
      net.dispose();
    }
  });

  it("refuses shapes that cannot be, before it makes a tensor", () => {
    const before = tf.memory().numTensors;
    expect(() => tiny({ layers: 3 })).toThrow(/cannot reach 4 scales/);
    expect(() => tiny({ channels: [8, 0] })).toThrow(ConfigError);
    expect(() => tiny({ pyramid: 1.5 })).toThrow(/pyramid must be an integer of at least 1, got 1\.5/);
    expect(tf.memory().numTensors).toBe(before);
  });
});

describe.each(backends)("threshold and gateValue on %s", (backend) => {
  beforeAll(() => useBackend(backend));

  const [low, high] = [0.2, 0.6];
  // the same gates for all: up or the first path low, the others high
  const router: SupernetOptions["router"] = ({ paths }) => new ConstantRouter([low, high, high].slice(0, paths));

  it("opens the paths at or above the threshold, and passes soft values on", async () => {
    const images = imagesOf(1);
    for (const threshold of [0.1, 0.4]) {
      const net = tiny({ threshold, router });
      const { gates, features, madds } = await net.forwardRouted(images);
      const wanted = net.space.nodes.flatMap(({ paths }) => [low, high, high].slice(0, paths.length));
      expect(Array.from(gates)).toEqual(wanted.map((g) => (g >= threshold ? Math.fround(g) : 0)));
      expect(net.routing.threshold).toBe(threshold);
      // 0.1 opens all; the total leaves out stem, routers and pyramid
      if (threshold === 0.1) expect(madds[0]).toBe(net.cost(SIZE).total);
      else expect(madds[0]).toBeLessThan(net.cost(SIZE).total);
      tf.dispose([...features.maps]);
      net.dispose();
    }
    images.dispose();
  });

  it("takes open gates for 1 in binary mode: what forced gates of 1 give", async () => {
    const images = imagesOf(2);
    const net = tiny({ threshold: 0.4, gateValue: "binary", router });
    const routed = await net.forwardRouted(images);
    expect(new Set(routed.gates)).toEqual(new Set([0, 1]));
    const gates = tf.tensor2d(routed.gates, [2, net.space.paths.length]);
    const dense = net.forward(images, { training: false, gates });
    for (const [i, map] of dense.features.maps.entries()) {
      expect(await distance(map, routed.features.maps[i]!)).toBeLessThan(1e-4);
    }
    tf.dispose([images, gates, routed.features.maps, dense.features.maps, dense.gates.values] as tf.TensorContainer);
    net.dispose();
  });
});

describe.each(backends)("a router of one's own on %s", (backend) => {
  beforeAll(() => useBackend(backend));

  it("is made for each node, sees its features, and counts into the cost", async () => {
    const routers: ConstantRouter[] = [];
    const asked: [number, number][] = [];
    const net = tiny({
      router: ({ channels, paths }) => {
        asked.push([channels, paths]);
        const router = new ConstantRouter(Array.from({ length: paths }, () => 0.5));
        routers.push(router);
        return router;
      },
    });
    expect(asked).toEqual(net.space.nodes.map((n) => [n.channels, n.paths.length]));
    const images = imagesOf(2);
    const before = tf.memory().numTensors;
    const { features, gates } = net.forward(images, { training: false });
    expect(new Set(await gates.values.data())).toEqual(new Set([0.5]));
    for (const [i, { scale, channels }] of net.space.nodes.entries()) {
      const side = (v: number) => Math.ceil(v / (8 * 2 ** scale));
      expect(routers[i]!.calls).toEqual([[2, side(SIZE.height), side(SIZE.width), channels]]);
    }
    const cells = net.space.nodes.reduce(
      (sum, { scale }) => sum + Math.ceil(SIZE.height / (8 * 2 ** scale)) * Math.ceil(SIZE.width / (8 * 2 ** scale)),
      0,
    );
    expect(net.cost(SIZE).routers).toBe(cells);
    expect(tf.memory().numTensors).toBe(before + features.maps.length + 1);
    tf.dispose([images, features.maps, gates.values] as tf.TensorContainer);
    net.dispose();
  });
});

describe.each(backends)("training mode on %s", (backend) => {
  beforeAll(() => useBackend(backend));

  it("moves the running moments, and only then", async () => {
    const net = tiny();
    const images = imagesOf(2);
    const moments = () => valuesOf(() => [...net.namedBuffers().values()]);
    const start = await moments();
    const run = (training: boolean) => {
      const { features, gates } = net.forward(images, { training });
      tf.dispose([features.maps, gates.values] as tf.TensorContainer);
    };
    run(false);
    expect(await moments()).toEqual(start);
    run(true);
    expect(await moments()).not.toEqual(start);
    images.dispose();
    net.dispose();
  });
});

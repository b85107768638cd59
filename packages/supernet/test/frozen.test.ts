// The frozen supernet as a thing of its own: what it owns, how little it launches, what it does not run. That it computes the same is
// in executors.test.ts.
import { ConfigError, createRandom, Module, type Router } from "@caddet/core";
import { sigmoidGate } from "@caddet/router";
import * as tf from "@tensorflow/tfjs-core";
import { beforeAll, describe, expect, it } from "vitest";
import { backends, useBackend } from "#test/backends";
import { createSupernet, type FrozenSupernet, PRESETS, type Supernet, type SupernetOptions } from "../src";
import { randomGates, randomImages, relativeError, shake } from "./random-network";

const tiny = (options: Partial<SupernetOptions> = {}) => {
  const net = createSupernet({ ...PRESETS.tiny, random: createRandom(3), ...options });
  shake(net, 4);
  return net;
};

const disposeOutput = ({ features, gates }: { features: { maps: readonly tf.Tensor[] }; gates?: unknown }) => {
  const values = gates instanceof Float32Array ? [] : [(gates as { values: tf.Tensor }).values];
  tf.dispose([...features.maps, ...values]);
};

const COPIES = ["Reshape", "Identity"]; // take no pass over the values

/**
 * The kernels that the backend ran, by name, in the order of their ends. Views of the same values are left out, and what a kernel that
 * is composed of others launched counts in its place.
 */
async function launchesOf(run: () => unknown): Promise<string[]> {
  const names: string[] = [];
  const restore = tf.getKernelsForBackend(tf.getBackend()).map((config) => {
    const { kernelFunc } = config;
    const counted = config as { -readonly [K in keyof typeof config]: (typeof config)[K] };
    counted.kernelFunc = (call) => {
      const before = names.length;
      const result = kernelFunc(call);
      if (!COPIES.includes(config.kernelName) && names.length === before) names.push(config.kernelName);
      return result;
    };
    return () => {
      counted.kernelFunc = kernelFunc;
    };
  });
  try {
    await run();
  } finally {
    for (const undo of restore) undo();
  }
  return names;
}

describe.each(backends)("Supernet.freeze on %s", (backend) => {
  beforeAll(() => useBackend(backend));

  it("copies the weights: neither notices what becomes of the other", async () => {
    const before = tf.memory().numTensors;
    const images = randomImages(2, 40, 48, 1);
    const net = tiny();
    const reference = net.forward(images, { training: false });
    const frozen = net.freeze();
    shake(net, 99);
    const again = frozen.forward(images, { training: false });
    net.dispose();
    const routed = await frozen.forwardRouted(images);
    for (const [i, map] of reference.features.maps.entries()) {
      expect(await relativeError(map, again.features.maps[i]!)).toBeLessThan(1e-4);
      expect(await relativeError(map, routed.features.maps[i]!)).toBeLessThan(1e-4);
    }
    for (const output of [reference, again, routed]) disposeOutput(output);
    frozen.dispose();
    images.dispose();
    expect(tf.memory().numTensors).toBe(before);
  });

  it("leaves the supernet usable when the frozen one is gone", async () => {
    const images = randomImages(1, 24, 24, 1);
    const net = tiny();
    const first = net.forward(images, { training: false });
    net.freeze().dispose();
    const second = net.forward(images, { training: false });
    expect(await relativeError(first.features.maps[0]!, second.features.maps[0]!)).toBe(0);
    for (const output of [first, second]) disposeOutput(output);
    images.dispose();
    net.dispose();
  });

  it("is a Backbone with the same strides, channels, cost and routing, and nothing to train", () => {
    const net = tiny({ threshold: 0.2, gateValue: "binary" });
    const frozen = net.freeze();
    const { space, strides, channels, threshold, gateValue, routing } = net;
    expect(frozen).toMatchObject({ space, strides, channels, threshold, gateValue, routing });
    expect(frozen.cost({ height: 40, width: 64 })).toEqual(net.cost({ height: 40, width: 64 }));
    expect(frozen.namedParameters().size).toBe(0);
    const images = randomImages(1, 16, 16, 1);
    expect(() => frozen.forward(images, { training: true })).toThrow(ConfigError);
    expect(() => frozen.forward(images, { training: true })).toThrow(/A frozen supernet does not train/);
    images.dispose();
    net.dispose();
    frozen.dispose();
  });

  it("keeps threshold, gate value and gate", async () => {
    const images = randomImages(4, 40, 40, 8);
    const net = tiny({ threshold: 0.3, gateValue: "binary", gate: sigmoidGate({ threshold: 0.6 }) });
    const frozen = net.freeze();
    const [plain, ice] = [await net.forwardRouted(images), await frozen.forwardRouted(images)];
    expect(new Set(ice.gates)).toEqual(new Set([0, 1]));
    expect(ice.gates).toEqual(plain.gates);
    expect(ice.madds).toEqual(plain.madds);
    for (const [i, map] of plain.features.maps.entries()) {
      expect(await relativeError(map, ice.features.maps[i]!)).toBeLessThan(1e-4);
    }
    for (const output of [plain, ice]) disposeOutput(output);
    images.dispose();
    net.dispose();
    frozen.dispose();
  });

  it("runs the source's routers where they are of another kind", async () => {
    /** Opens the first path as wide as the map's mean is far from zero. */
    class BrightnessRouter extends Module implements Router {
      constructor(readonly paths: number) {
        super();
      }
      forward(x: tf.Tensor4D): tf.Tensor2D {
        return tf.tidy(() => {
          const first = tf.tanh(tf.abs(tf.mean(x, [1, 2, 3]))); // [B]
          return tf.stack(
            Array.from({ length: this.paths }, (_, k) => tf.mul(first, 1 / (k + 1))),
            1,
          ) as tf.Tensor2D;
        });
      }
      madds(): number {
        return 0;
      }
    }
    const images = randomImages(3, 40, 48, 5);
    const net = tiny({ router: ({ paths }) => new BrightnessRouter(paths), threshold: 0.1 });
    const frozen = net.freeze();
    const [plain, ice] = [await net.forwardRouted(images), await frozen.forwardRouted(images)];
    const dense = frozen.forward(images, { training: false });
    for (const [i, g] of plain.gates.entries()) expect(ice.gates[i]!).toBeCloseTo(g, 4);
    expect(plain.gates.some((g) => g === 0) && plain.gates.some((g) => g > 0)).toBe(true);
    for (const [i, map] of plain.features.maps.entries()) {
      expect(await relativeError(map, ice.features.maps[i]!)).toBeLessThan(1e-4);
      expect(dense.features.maps[i]!.shape).toEqual(map.shape);
    }
    for (const output of [plain, ice, dense]) disposeOutput(output);
    images.dispose();
    net.dispose();
    frozen.dispose();
  });
});

describe("launches", () => {
  beforeAll(() => useBackend("wasm"));

  it.each([
    { name: "tiny", shape: PRESETS.tiny },
    { name: "small", shape: PRESETS.small },
    { name: "paper, an eighth as wide", shape: { ...PRESETS.paper, channels: [8, 16, 32, 64], pyramid: 32 } },
  ])("are at most half of the plain network's: $name", async ({ shape }) => {
    const net = createSupernet({ ...shape, random: createRandom(0) });
    shake(net, 3);
    const frozen = net.freeze();
    const images = randomImages(1, 64, 80, 2);
    const routed = [undefined, 0, 0.25, 0.5, 0.75, 1].map((open, seed) => ({
      pass: open === undefined ? "routed by its routers" : `routed, ${open} open`,
      run: async (model: Supernet | FrozenSupernet) => {
        const options = open === undefined ? {} : { gates: randomGates(net, 1, open, seed) };
        disposeOutput(await model.forwardRouted(images, options));
      },
    }));
    const dense = {
      pass: "dense",
      run: async (model: Supernet | FrozenSupernet) => disposeOutput(model.forward(images, { training: false })),
    };
    for (const { pass, run } of [dense, ...routed]) {
      const [plain, ice] = [await launchesOf(() => run(net)), await launchesOf(() => run(frozen))];
      expect(plain.length, pass).toBeGreaterThan(20);
      expect(ice.length / plain.length, pass).toBeLessThanOrEqual(0.5);
    }
    images.dispose();
    net.dispose();
    frozen.dispose();
  });

  it.each([
    { kind: "plain", batch: 1 },
    { kind: "plain", batch: 3 },
    { kind: "frozen", batch: 1 },
    { kind: "frozen", batch: 3 },
  ] as const)("of convolutions are those of the open paths and their nodes alone: $kind, batch $batch", async (c) => {
    const net = tiny({ sepConvs: 2 });
    const frozen = net.freeze();
    const model = c.kind === "plain" ? net : frozen;
    const images = randomImages(c.batch, 48, 48, 2);
    for (const [seed, share] of [0, 0.2, 0.5, 1].entries()) {
      const gates = randomGates(net, c.batch, share, seed + 20);
      const count = net.space.paths.length;
      const isOpen = net.space.paths.map((_, p) => gates.some((g, i) => i % count === p && g > 0));
      const nodes = net.space.nodes.filter(({ paths }) => paths.some((p) => isOpen[p])).length;
      const transitions = net.space.paths.filter(({ kind }, p) => kind !== "keep" && isOpen[p]).length;
      const names = await launchesOf(async () => disposeOutput(await model.forwardRouted(images, { gates })));
      const ran = (pattern: RegExp) => names.filter((name) => pattern.test(name)).length;
      const separable = 3 + 2 * nodes; // 3 of the stem
      const others = transitions + 5; // 5 of the pyramid
      const [depthwise, dense, fused] = [ran(/^DepthwiseConv2dNative$/), ran(/Conv2D$/), ran(/^CaddetSepConv$/)];
      if (model === net) expect([depthwise, dense, fused]).toEqual([separable, separable + others, 0]);
      else expect([depthwise, dense, fused]).toEqual([0, others, separable]);
    }
    images.dispose();
    net.dispose();
    frozen.dispose();
  });

  it("do not depend on the number of images where their routes are the same", async () => {
    const net = tiny();
    const frozen = net.freeze();
    net.dispose();
    const perBatch: number[] = [];
    for (const batch of [1, 4]) {
      const images = randomImages(batch, 40, 40, 2);
      const gates = new Float32Array(batch * frozen.space.paths.length).fill(0.5);
      const names = await launchesOf(async () => disposeOutput(await frozen.forwardRouted(images, { gates })));
      images.dispose();
      perBatch.push(names.length);
    }
    expect(perBatch[1]).toBe(perBatch[0]);
    frozen.dispose();
  });
});

describe("reads", () => {
  beforeAll(() => useBackend("wasm"));

  it("are one a layer, and none where gates are forced", async () => {
    const net = tiny();
    const frozen = net.freeze();
    const images = randomImages(3, 40, 40, 2);
    const backend = tf.backend();
    const { read, readSync } = backend;
    let reads = 0;
    let synchronous = 0;
    backend.read = (id) => {
      reads++;
      synchronous--; // this backend's read calls readSync
      return read.call(backend, id);
    };
    backend.readSync = (id) => {
      synchronous++;
      return readSync.call(backend, id);
    };
    try {
      for (const model of [net, frozen] as (Supernet | FrozenSupernet)[]) {
        reads = 0;
        disposeOutput(await model.forwardRouted(images));
        expect(reads).toBe(net.space.shape.layers);
        disposeOutput(await model.forwardRouted(images, { gates: randomGates(net, 3, 0.5, 1) }));
        expect([reads, synchronous]).toEqual([net.space.shape.layers, 0]);
      }
    } finally {
      Object.assign(backend, { read, readSync });
    }
    images.dispose();
    net.dispose();
    frozen.dispose();
  });
});

describe.each(backends)("warmup on %s", (backend) => {
  beforeAll(() => useBackend(backend));

  it("leaves no tensor, for any size and batch, and refuses a size that cannot be", async () => {
    const net = tiny();
    const frozen = net.freeze();
    const before = tf.memory().numTensors;
    await frozen.warmup({ height: 40, width: 56 });
    await frozen.warmup({ height: 8, width: 9 }, { batch: 3 });
    expect(tf.memory().numTensors).toBe(before);
    await expect(frozen.warmup({ height: 0, width: 56 })).rejects.toThrow(/at least one pixel/);
    expect(tf.memory().numTensors).toBe(before);
    net.dispose();
    frozen.dispose();
  });
});

describe.each(backends)("routed passes on %s", (backend) => {
  beforeAll(() => useBackend(backend));

  it("leave no tensor when they fail, whichever layer's router breaks", async () => {
    class BrokenRouter extends Module implements Router {
      constructor(
        readonly paths: number,
        readonly isBroken: boolean,
      ) {
        super();
      }
      forward(x: tf.Tensor4D): tf.Tensor2D {
        if (this.isBroken) throw new Error("a broken router");
        return tf.ones([x.shape[0], this.paths]);
      }
      madds(): number {
        return 0;
      }
    }
    const images = randomImages(2, 24, 24, 1);
    for (const broken of [0, 2, 9]) {
      let made = 0;
      const net = tiny({ router: ({ paths }) => new BrokenRouter(paths, made++ === broken) });
      const frozen = net.freeze();
      const before = tf.memory().numTensors;
      await expect(net.forwardRouted(images)).rejects.toThrow("a broken router");
      await expect(frozen.forwardRouted(images)).rejects.toThrow("a broken router");
      expect(() => frozen.forward(images, { training: false })).toThrow("a broken router");
      expect(tf.memory().numTensors).toBe(before);
      net.dispose();
      frozen.dispose();
    }
    images.dispose();
  });

  it("keep apart when many run at once", async () => {
    const net = tiny();
    const frozen = net.freeze();
    const images = Array.from({ length: 12 }, (_, i) => randomImages(1 + (i % 3), 24 + 8 * (i % 2), 40, i));
    const before = tf.memory().numTensors;
    const together = await Promise.all(images.map((x) => frozen.forwardRouted(x)));
    for (const [i, x] of images.entries()) {
      const alone = await frozen.forwardRouted(x);
      expect(together[i]!.gates).toEqual(alone.gates);
      expect(await relativeError(alone.features.maps[0]!, together[i]!.features.maps[0]!)).toBe(0);
      disposeOutput(alone);
      disposeOutput(together[i]!);
    }
    expect(tf.memory().numTensors).toBe(before);
    tf.dispose(images);
    net.dispose();
    frozen.dispose();
  });
});

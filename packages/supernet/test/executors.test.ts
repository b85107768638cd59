// Dense and routed executors mean the same, for any gates, batch and size, on every backend present.
import { createRandom, ShapeError } from "@caddet/core";
import { prepareBackend } from "@caddet/runtime/node";
import * as tf from "@tensorflow/tfjs-core";
import { beforeAll, describe, expect, it } from "vitest";
import { createSupernet, PRESETS, type Supernet } from "../src";

function randomGates(net: Supernet, batch: number, open: number, seed: number): Float32Array {
  const random = createRandom(seed);
  return Float32Array.from({ length: batch * net.space.paths.length }, () =>
    random.next() < open ? 0.3 + 0.7 * random.next() : 0,
  );
}

// running moments and affine weights that are not trivial
function shake(net: Supernet, seed: number): void {
  const random = createRandom(seed);
  for (const [name, v] of net.stateDict()) {
    if (!/norm\.|router/.test(name)) continue;
    const low = name.endsWith("runningVariance") ? 0.5 : name.endsWith("gate.bias") ? -0.6 : -0.3;
    const values = Float32Array.from({ length: v.size }, () => low + random.next());
    tf.tidy(() => v.assign(tf.tensor(values, v.shape)));
  }
}

const CASES = [
  { batch: 1, height: 64, width: 64, open: 0.5 },
  { batch: 3, height: 71, width: 93, open: 0.5 },
  { batch: 8, height: 33, width: 129, open: 0.2 },
  { batch: 2, height: 8, width: 8, open: 0.8 },
  { batch: 2, height: 1, width: 1, open: 0.5 },
  { batch: 2, height: 64, width: 48, open: 0 },
  { batch: 2, height: 64, width: 48, open: 1 },
];

describe.each(["cpu", "wasm"] as const)("executors on %s", (backend) => {
  let net: Supernet;
  beforeAll(async () => {
    await prepareBackend({ backend });
    net = createSupernet({ ...PRESETS.tiny, random: createRandom(5) });
    shake(net, 6);
    return () => net.dispose();
  });

  it.each(CASES)("agree on $batch × $height × $width with $open of the paths open", async (c) => {
    const { batch, height, width, open } = c;
    const before = tf.memory().numTensors;
    const images = tf.randomNormal([batch, height, width, 3], 0, 1, "float32", 7) as tf.Tensor4D;
    const values = randomGates(net, batch, open, batch + height);
    const gates = tf.tensor2d(values, [batch, net.space.paths.length]);
    const dense = net.forward(images, { training: false, gates });
    const routed = await net.forwardRouted(images, { gates: values });
    for (const [i, map] of dense.features.maps.entries()) {
      const error = tf.tidy(() => {
        const other = routed.features.maps[i]!;
        expect(other.shape).toEqual(map.shape);
        const difference = tf.norm(tf.sub(map, other)).dataSync()[0]!;
        return difference / Math.max(tf.norm(map).dataSync()[0]!, 1e-6);
      });
      expect(error).toBeLessThan(1e-4);
    }
    expect(Array.from(routed.gates)).toEqual(Array.from(values));
    const cost = net.cost({ height, width });
    for (let b = 0; b < batch; b++) {
      const own = values.subarray(b * net.space.paths.length, (b + 1) * net.space.paths.length);
      const paths = cost.perPath.reduce((sum, madds, p) => sum + (own[p]! > 0 ? madds : 0), 0);
      const blocks = net.space.nodes.reduce(
        (sum, n, i) => sum + (n.paths.some((p) => own[p]! > 0) ? cost.perNode[i]! : 0),
        0,
      );
      expect(routed.madds[b]).toBe(paths + blocks);
    }
    tf.dispose([images, gates, dense.features.maps, dense.gates.values, routed.features.maps] as tf.Tensor[]);
    expect(tf.memory().numTensors).toBe(before);
  });

  it("agree on the routers' own gates", async () => {
    const images = tf.randomNormal([4, 56, 72, 3], 0, 1, "float32", 3) as tf.Tensor4D;
    const dense = net.forward(images, { training: false });
    const routed = await net.forwardRouted(images);
    const values = await dense.gates.values.data();
    expect(values.some((g) => g === 0) && values.some((g) => g > 0)).toBe(true);
    for (const [i, map] of dense.features.maps.entries()) {
      const error = tf.tidy(() => tf.norm(tf.sub(map, routed.features.maps[i]!)).dataSync()[0]!);
      expect(error).toBeLessThan(
        1e-4 *
          Math.max(
            1,
            tf.tidy(() => tf.norm(map).dataSync()[0]!),
          ),
      );
    }
    tf.dispose([images, dense.features.maps, dense.gates.values, routed.features.maps] as tf.Tensor[]);
  });

  it("refuses images and gates of another shape, and leaks nothing then", async () => {
    const before = tf.memory().numTensors;
    const grey = tf.zeros([1, 16, 16, 1]) as tf.Tensor4D;
    const images = tf.zeros([1, 16, 16, 3]) as tf.Tensor4D;
    const gates = tf.zeros([1, 3]) as tf.Tensor2D;
    expect(() => net.forward(grey, { training: false })).toThrow(ShapeError);
    await expect(net.forwardRouted(grey)).rejects.toThrow(ShapeError);
    expect(() => net.forward(images, { training: false, gates })).toThrow(/Forced gates must be \[1, 19\]/);
    await expect(net.forwardRouted(images, { gates: new Float32Array(3) })).rejects.toThrow(/Forced gates/);
    tf.dispose([grey, images, gates]);
    expect(tf.memory().numTensors).toBe(before);
  });
});

// How many dispatches forward and backward of a small supernet take on webgpu, with the runtime's programs and without.
import { createRandom, variableGrads } from "@caddet/core";
import * as tf from "@tensorflow/tfjs-core";
import { beforeAll, describe, expect, it } from "vitest";
import { backends, useBackend } from "#test/backends";
import { createSupernet, PRESETS } from "../src";

interface Recording {
  recordAndSubmit?: (...call: unknown[]) => void;
}

async function countDispatches(run: () => Promise<unknown>): Promise<number> {
  const backend = tf.backend() as unknown as Recording;
  const original = backend.recordAndSubmit!;
  let count = 0;
  backend.recordAndSubmit = (...call) => {
    count++;
    original.apply(backend, call);
  };
  // What the backend inherits is there again.
  await run().finally(() => delete backend.recordAndSubmit);
  return count;
}

describe.skipIf(!backends.includes("webgpu"))("supernet on webgpu", () => {
  beforeAll(() => useBackend("webgpu"));

  it("takes at most half of the compositions' dispatches, for the same loss", async () => {
    const net = createSupernet({ ...PRESETS.tiny, random: createRandom(0) });
    const random = createRandom(1);
    const images = tf.tensor4d(
      Float32Array.from({ length: 2 * 128 * 128 * 3 }, () => random.normal()),
      [2, 128, 128, 3],
    );
    const variables = [...net.namedParameters().values()].map(({ variable }) => variable);
    const losses: number[] = [];
    const step = async () => {
      const { value, grads } = variableGrads(() => {
        const { features } = net.forward(images, { training: true });
        return tf.addN(features.maps.map((map) => tf.mean(tf.square(map)))) as tf.Scalar;
      }, variables);
      losses.push((await value.data())[0]!);
      tf.dispose([value, grads] as tf.TensorContainer);
    };
    const before = tf.memory().numTensors;
    const fused = await countDispatches(step);
    const kernels = tf.getKernelsForBackend("webgpu").filter(({ kernelName }) => kernelName.startsWith("Caddet"));
    for (const { kernelName } of kernels) tf.unregisterKernel(kernelName, "webgpu");
    const plain = await countDispatches(step);
    expect(tf.memory().numTensors).toBe(before);
    expect(fused / plain, `${fused} dispatches against ${plain}`).toBeLessThan(0.5);
    expect(losses[0]! / losses[1]!).toBeCloseTo(1, 4);
    tf.dispose(images);
    net.dispose();
  });
});

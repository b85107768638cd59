// Networks, gates and images for comparing executors: weights that are not those of the start, so that routers open and close.
import { createRandom } from "@caddet/core";
import * as tf from "@tensorflow/tfjs-core";
import { valuesOf } from "#test/backends";
import type { Supernet } from "../src";

/** Random gates `[B * P]`, of which a share is open. */
export function randomGates(net: Pick<Supernet, "space">, batch: number, open: number, seed: number): Float32Array {
  const random = createRandom(seed);
  return Float32Array.from({ length: batch * net.space.paths.length }, () =>
    random.next() < open ? 0.3 + 0.7 * random.next() : 0,
  );
}

/** Gives a network running moments, affine weights and router biases that are not trivial. */
export function shake(net: Supernet, seed: number): void {
  const random = createRandom(seed);
  for (const [name, v] of net.stateDict()) {
    if (!/norm\.|router/.test(name)) continue;
    const low = name.endsWith("runningVariance") ? 0.5 : name.endsWith("gate.bias") ? -0.6 : -0.3;
    const values = Float32Array.from({ length: v.size }, () => low + random.next());
    tf.tidy(() => v.assign(tf.tensor(values, v.shape)));
  }
}

/** Images `[B, H, W, 3]`, each of its own brightness, so that their routes differ. */
export function randomImages(batch: number, height: number, width: number, seed: number): tf.Tensor4D {
  const random = createRandom(seed);
  const values = new Float32Array(batch * height * width * 3);
  const perImage = height * width * 3;
  for (let b = 0; b < batch; b++) {
    const [mean, std] = [4 * random.next() - 2, 0.2 + 2 * random.next()];
    for (let i = 0; i < perImage; i++) values[b * perImage + i] = mean + std * random.normal();
  }
  return tf.tensor4d(values, [batch, height, width, 3]);
}

/** ‖a - b‖ / ‖a‖. */
export async function relativeError(a: tf.Tensor, b: tf.Tensor): Promise<number> {
  const [difference, size] = await valuesOf(() => [tf.norm(tf.sub(a, b)), tf.norm(a)]);
  return difference![0]! / Math.max(size![0]!, 1e-6);
}

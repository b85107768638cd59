// Brings the maps of all levels to the CPU by one asynchronous read. Internal.
// What the numbers mean is the business of the decoders.
import * as tf from "@tensorflow/tfjs-core";

/** Gives the numbers `[H_l * W_l * K]` of one image in one level of one group of maps. */
export type MapReader = (group: number, level: number, image: number) => Float32Array;

/**
 * Reads groups of maps.
 *
 * @param groups for each group one map `[B, H_l, W_l, K]` a level; they stay the caller's
 * @returns access to each image's part, as views of what was read
 */
export async function readMaps(groups: readonly (readonly tf.Tensor4D[])[]): Promise<MapReader> {
  const maps = groups.flat();
  const joined = tf.tidy(() => tf.concat1d(maps.map((map) => tf.reshape(map, [-1]) as tf.Tensor1D)));
  const data = await joined.data<"float32">().finally(() => joined.dispose());
  let end = 0;
  const starts = groups.map((levels) =>
    levels.map(({ size }) => {
      end += size;
      return end - size;
    }),
  );
  return (group, level, image) => {
    const { size, shape } = groups[group]![level]!;
    const part = size / shape[0];
    const at = starts[group]![level]! + image * part;
    return data.subarray(at, at + part);
  };
}

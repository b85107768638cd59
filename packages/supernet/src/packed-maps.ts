// Feature maps of those images of a batch that have one: what flows between the nodes of a routed pass. Rows are gathered and joined
// here, so that a node runs once, on just the images that need it, and an image without content at a scale takes no room.
import { gatedSum } from "@caddet/core";
import * as tf from "@tensorflow/tfjs-core";

/** Maps `[n, H, W, C]` of n images of a batch. */
export interface PackedMaps {
  readonly map: tf.Tensor4D;
  /** `[n]`: which images, in any order. */
  readonly images: readonly number[];
}

/** What arrives at a scale from one node: maps, and what each image's is multiplied by. */
export interface Term extends PackedMaps {
  /** `[n]` */
  readonly factors: readonly number[];
}

const isSame = (a: readonly number[], b: readonly number[]) => a.length === b.length && a.every((v, i) => v === b[i]);

/**
 * The maps of some images.
 *
 * @param packed where they are; undefined, and images that are not in it, stand for zeros
 * @param wanted which images, in which order
 * @param shape `[H, W, C]`
 * @returns `[wanted, H, W, C]`; the very tensor of `packed` where that is all and in order
 */
export function rowsOf(
  packed: PackedMaps | undefined,
  wanted: readonly number[],
  shape: readonly [number, number, number],
): tf.Tensor4D {
  if (!packed) return tf.fill<tf.Rank.R4>([wanted.length, ...shape], 0);
  const { map, images } = packed;
  if (isSame(wanted, images)) return map;
  const rows = wanted.map((b) => images.indexOf(b));
  return tf.tidy(() => {
    if (!rows.includes(-1)) return tf.gather(map, tf.tensor1d(rows, "int32"));
    const padded = tf.concat([tf.fill<tf.Rank.R4>([1, ...shape], 0), map], 0);
    return tf.gather(
      padded,
      tf.tensor1d(
        rows.map((r) => r + 1),
        "int32",
      ),
    );
  });
}

// Σ_k factors[k] · maps[k]; our wasm kernel does it in one pass, other backends take fewer launches with one product a map.
function weightedSum(maps: readonly tf.Tensor4D[], factors: readonly (readonly number[])[]): tf.Tensor4D {
  if (maps.length === 1 && factors[0]!.every((f) => f === 1)) return maps[0]!;
  const images = factors[0]!.length;
  if (tf.getBackend() === "wasm") {
    const gates = Float32Array.from({ length: images * maps.length }, (_, i) => {
      return factors[i % maps.length]![Math.floor(i / maps.length)]!;
    });
    return gatedSum(maps, tf.tensor2d(gates, [images, maps.length]));
  }
  return maps
    .map((map, k) => {
      const own = factors[k]!;
      if (own.every((f) => f === 1)) return map;
      return tf.mul(map, images === 1 ? own[0]! : tf.tensor4d([...own], [images, 1, 1, 1]));
    })
    .reduce((a, b) => tf.add(a, b)) as tf.Tensor4D;
}

/**
 * Adds up what arrives at one scale. Images that get it from the same nodes are summed together.
 *
 * @param terms what arrives; none stands for zeros
 * @param shape `[H, W, C]`
 * @returns the sums, or undefined when nothing arrives
 */
export function sumTerms(terms: readonly Term[], shape: readonly [number, number, number]): PackedMaps | undefined {
  if (terms.length === 0) return undefined;
  const groups = new Map<string, number[]>(); // images by the terms that they are in
  for (const b of new Set(terms.flatMap(({ images }) => images))) {
    const key = terms.flatMap(({ images }, k) => (images.includes(b) ? [k] : [])).join();
    const group = groups.get(key);
    if (group) group.push(b);
    else groups.set(key, [b]);
  }
  const sums = [...groups].map(([key, images]) => {
    const own = key.split(",").map((k) => terms[Number(k)]!);
    const maps = own.map((term) => rowsOf(term, images, shape));
    return weightedSum(
      maps,
      own.map((term) => images.map((b) => term.factors[term.images.indexOf(b)]!)),
    );
  });
  return { map: sums.length === 1 ? sums[0]! : tf.concat(sums, 0), images: [...groups.values()].flat() };
}

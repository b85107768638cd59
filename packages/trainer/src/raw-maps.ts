// A head's raw maps as plain data with tensors in it, whatever head it is: objects and lists whose tensors have the images first.
// Nothing is known of what they mean.
import { ConfigError } from "@caddet/core";
import * as tf from "@tensorflow/tfjs-core";

const isRecord = (value: unknown): value is Record<string, unknown> =>
  typeof value === "object" && value !== null && !Array.isArray(value);

/** The tensors of raw maps, in the order in which they are found. */
export function leavesOf(raw: unknown): tf.Tensor[] {
  if (raw instanceof tf.Tensor) return [raw];
  if (Array.isArray(raw)) return raw.flatMap(leavesOf);
  return isRecord(raw) ? Object.values(raw).flatMap(leavesOf) : [];
}

/** Raw maps of the same form with other tensors, in the order of {@link leavesOf}. */
export function replaceLeaves(raw: unknown, leaves: readonly tf.Tensor[]): unknown {
  let next = 0;
  const copy = (value: unknown): unknown => {
    if (value instanceof tf.Tensor) return leaves[next++]!;
    if (Array.isArray(value)) return value.map(copy);
    if (!isRecord(value)) return value;
    return Object.fromEntries(Object.entries(value).map(([key, v]) => [key, copy(v)]));
  };
  return copy(raw);
}

/**
 * Joins the raw maps of parts of a batch.
 *
 * @param parts one or more, of one head
 * @param images how many images they hold together
 * @returns maps of the whole batch; their tensors are the caller's
 * @throws ConfigError when a head's maps do not have the images first
 */
export function concatRaw(parts: readonly unknown[], images: number): unknown {
  const leaves = parts.map(leavesOf);
  const whole = tf.tidy(() =>
    leaves[0]!.map((leaf, i) => {
      const same = leaves.map((part) => part[i]!);
      const total = same.reduce((n, { rank, shape }) => n + (rank > 0 ? shape[0]! : 0), 0);
      if (total !== images) {
        throw new ConfigError(
          `data.microBatch needs a head whose maps have the images first; one of this head's has the shape [${leaf.shape}] and ` +
            `${total} rows in all for ${images} images. Leave data.microBatch out.`,
        );
      }
      return tf.concat(same, 0);
    }),
  );
  return replaceLeaves(parts[0], whole);
}

// What a center head predicts: three maps of one size. Types and their check; losses and boxes are made of them elsewhere.
import { ShapeError } from "@caddet/core";
import type * as tf from "@tensorflow/tfjs-core";

/** The maps of a center head. */
export interface CenterRaw {
  /** `[B, H, W, C]` logits of a centre. */
  readonly heat: tf.Tensor4D;
  /** `[B, H, W, 2]`: width and height of the box, in cells. */
  readonly size: tf.Tensor4D;
  /** `[B, H, W, 2]`: where in its cell the centre lies, x and y. */
  readonly offset: tf.Tensor4D;
}

/**
 * Fails unless there is one entry for each image of the maps.
 *
 * @param raw the maps
 * @param count entries: truths or sizes
 * @param what their name, for the message
 * @throws ShapeError when the counts differ
 */
export function checkImages({ heat }: CenterRaw, count: number, what: string): void {
  if (heat.shape[0] === count) return;
  throw new ShapeError(`The center head has maps of ${heat.shape[0]} images, got ${count} ${what}; give one an image.`);
}

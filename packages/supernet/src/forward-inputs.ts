// What the forward passes of a supernet accept, frozen or not: checked at the border, so that the executors can trust it.
import { ShapeError } from "@caddet/core";
import type * as tf from "@tensorflow/tfjs-core";
import type { RoutingSpace } from "./routing-space";

function checkImages(images: tf.Tensor4D): void {
  if (images.rank !== 4 || images.shape[3] !== 3 || images.size === 0) {
    throw new ShapeError(`The supernet takes images [B, H, W, 3] of at least one pixel, got [${images.shape}].`);
  }
}

/** Throws ShapeError unless images are `[B, H, W, 3]` and forced gates `[B or 1, P]`. */
export function checkDenseInput({ paths }: RoutingSpace, images: tf.Tensor4D, gates: tf.Tensor2D | undefined): void {
  checkImages(images);
  if (gates && (gates.shape[1] !== paths.length || ![1, images.shape[0]].includes(gates.shape[0]))) {
    throw new ShapeError(
      `Forced gates must be [${images.shape[0]}, ${paths.length}] (batch, paths), got [${gates.shape}].`,
    );
  }
}

/** Throws ShapeError unless images are `[B, H, W, 3]` and forced gates `[B * P]`. */
export function checkRoutedInput({ paths }: RoutingSpace, images: tf.Tensor4D, gates: Float32Array | undefined): void {
  checkImages(images);
  const wanted = images.shape[0] * paths.length;
  if (gates && gates.length !== wanted) {
    throw new ShapeError(`Forced gates must be ${wanted} numbers (batch · paths), got ${gates.length}.`);
  }
}

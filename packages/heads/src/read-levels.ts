// Brings the predictions of all levels to the CPU as one tensor, by one asynchronous read. Internal.
// What the numbers mean is the business of the decoders.
import * as tf from "@tensorflow/tfjs-core";
import type { LevelTensors } from "./cut-level";
import { type LevelPredictions, sigmoid } from "./pick-candidates";

/** What was predicted at one level for one image. */
export interface ReadLevel extends LevelPredictions {
  /** `[N * 4]`: what boxes are made from. */
  readonly boxes: Float32Array;
}

/** Predictions on their way: one tensor, and how to take it apart. */
export interface PackedLevels {
  /** All predictions, one after another. */
  readonly packed: tf.Tensor1D;
  /** Gives each level's part of one image, as views of what `packed` holds but for the factors. */
  readonly unpack: (data: Float32Array, image: number) => ReadLevel[];
}

type View = (data: Float32Array, image: number) => Float32Array;

/**
 * Packs the predictions of a batch.
 *
 * @param makeLevels gives the predictions of each level; what it makes is released
 * @returns one tensor, the caller's, and how to take it apart
 */
export function packLevels(makeLevels: () => readonly LevelTensors[]): PackedLevels {
  const views: { classes: View; boxes: View; factorLogits: View | undefined; numbers: View | undefined }[] = [];
  const packed = tf.tidy(() => {
    const parts: tf.Tensor1D[] = [];
    let end = 0;
    const place = (part: tf.Tensor3D): View => {
      const size = part.shape[1] * part.shape[2];
      const start = end;
      parts.push(tf.reshape(tf.cast(part, "float32"), [-1]));
      end += part.size;
      return (data, image) => data.subarray(start + image * size, start + (image + 1) * size);
    };
    for (const { classes, boxes, factorLogits, numbers } of makeLevels()) {
      views.push({
        classes: place(classes),
        boxes: place(boxes),
        factorLogits: factorLogits && place(factorLogits),
        numbers: numbers && place(numbers),
      });
    }
    return tf.concat1d(parts);
  });
  return {
    packed,
    unpack: (data, image) =>
      views.map(({ classes, boxes, factorLogits, numbers }) => ({
        classes: classes(data, image),
        boxes: boxes(data, image),
        factors: factorLogits?.(data, image).map(sigmoid),
        numbers: numbers?.(data, image),
      })),
  };
}

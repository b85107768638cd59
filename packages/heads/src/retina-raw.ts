// What a RetinaNet head predicts before losses or boxes: two maps a level.
// It says nothing of what they mean for an image; retina-loss.ts and retina-decode.ts do.
import { ShapeError } from "@caddet/core";
import type * as tf from "@tensorflow/tfjs-core";
import { type RawGeometry, refuseDisposed } from "./fcos-raw";

/** The maps of a RetinaNet head, from fine to coarse; in a cell, channels go by anchor first. */
export interface RetinaRaw {
  /** `[B, H_l, W_l, A * C]` logits. */
  readonly classes: readonly tf.Tensor4D[];
  /** `[B, H_l, W_l, A * 4]` shifts dx, dy, dw, dh of each anchor. */
  readonly deltas: readonly tf.Tensor4D[];
}

/**
 * Reads the sizes of raw maps.
 *
 * @param raw what `forward` returned
 * @param levels how many levels the head has
 * @param numClasses classes of the head
 * @param anchors anchors of a cell
 * @returns batch size and rows and columns of each level
 * @throws ShapeError when maps are missing or do not fit each other; CaddetError when one was disposed
 */
export function retinaGeometry(
  { classes, deltas }: RetinaRaw,
  levels: number,
  numClasses: number,
  anchors: number,
): RawGeometry {
  if (classes.length !== levels || deltas.length !== levels) {
    throw new ShapeError(`The head has ${levels} levels, got ${classes.length} class and ${deltas.length} box maps.`);
  }
  refuseDisposed([...classes, ...deltas]);
  const batch = classes[0]!.shape[0];
  const sizes = classes.map(({ shape }, l) => {
    const [, height, width] = shape;
    const wanted = (channels: number) => [batch, height, width, channels].join();
    if (shape.join() !== wanted(anchors * numClasses) || deltas[l]!.shape.join() !== wanted(anchors * 4)) {
      throw new ShapeError(
        `Level ${l} should have maps of ${anchors * numClasses} and ${anchors * 4} channels in one size for ${batch} images, ` +
          `got [${shape}] and [${deltas[l]!.shape}].`,
        { level: l },
      );
    }
    return { height, width };
  });
  return { batch, sizes };
}

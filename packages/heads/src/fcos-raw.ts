// What an FCOS head predicts before losses or boxes: three maps a level.
// It says nothing of what they mean for an image; fcos-loss.ts and fcos-decode.ts do.
import { CaddetError, ShapeError } from "@caddet/core";
import type * as tf from "@tensorflow/tfjs-core";
import type { MapSize } from "./points";

/** The maps of an FCOS head, from fine to coarse. */
export interface FcosRaw {
  /** `[B, H_l, W_l, C]` logits. */
  readonly classes: readonly tf.Tensor4D[];
  /** `[B, H_l, W_l, 4]` distances to the left, top, right and bottom side, at least 0. */
  readonly distances: readonly tf.Tensor4D[];
  /** `[B, H_l, W_l, 1]` logits. */
  readonly centerness: readonly tf.Tensor4D[];
  /** What distances are measured in; "stride" only in training with `normOnBbox`. */
  readonly unit: "pixel" | "stride";
}

/** Batch size and map sizes of raw maps. */
export interface RawGeometry {
  readonly batch: number;
  readonly sizes: readonly MapSize[];
}

/**
 * Refuses maps that have been disposed: the webgpu backend would take them, and fail at whatever it is asked next.
 *
 * @param maps what a head's `forward` returned
 * @throws CaddetError with code "disposed"
 */
export function refuseDisposed(maps: readonly tf.Tensor[]): void {
  if (maps.some(({ isDisposed }) => isDisposed)) {
    throw new CaddetError(
      "disposed",
      "The head's maps were disposed; call forward again, and disposeRaw after their last use.",
    );
  }
}

/**
 * Reads the sizes of raw maps.
 *
 * @param raw what `forward` returned
 * @param levels how many levels the head has
 * @param numClasses channels of the class maps
 * @returns batch size and rows and columns of each level
 * @throws ShapeError when maps are missing or do not fit each other; CaddetError when one was disposed
 */
export function geometryOf(
  { classes, distances, centerness }: FcosRaw,
  levels: number,
  numClasses: number,
): RawGeometry {
  if (classes.length !== levels || distances.length !== levels || centerness.length !== levels) {
    throw new ShapeError(
      `The head has ${levels} levels, got ${classes.length} class, ${distances.length} distance and ` +
        `${centerness.length} centerness maps.`,
    );
  }
  refuseDisposed([...classes, ...distances, ...centerness]);
  const batch = classes[0]!.shape[0];
  const sizes = classes.map(({ shape }, l) => {
    const [, height, width] = shape;
    const wanted = (channels: number) => [batch, height, width, channels].join();
    if (
      shape.join() !== wanted(numClasses) ||
      distances[l]!.shape.join() !== wanted(4) ||
      centerness[l]!.shape.join() !== wanted(1)
    ) {
      throw new ShapeError(
        `Level ${l} should have maps of ${numClasses}, 4 and 1 channels in one size for ${batch} images, got [${shape}], ` +
          `[${distances[l]!.shape}] and [${centerness[l]!.shape}].`,
        { level: l },
      );
    }
    return { height, width };
  });
  return { batch, sizes };
}

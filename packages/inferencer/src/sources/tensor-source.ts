// A tensor as a source of pixels. It stays the caller's; it is read once, asynchronously, and makes no other tensor.
import { CaddetError, DatasetError, ShapeError, type Size } from "@caddet/core";
import type * as tf from "@tensorflow/tfjs-core";
import { type ImageSource, requirePixels } from "./image-source";
import { resizePixels } from "./resize-pixels";

// Bytes of the values; grey becomes RGB.
function bytesOf(values: ArrayLike<number>, channels: number): Uint8Array {
  const bytes = new Uint8ClampedArray(values.length * (channels === 1 ? 3 : 1));
  for (let i = 0; i < values.length; i++) {
    const value = values[i]!;
    // A NaN is in no range. The bounds leave room for what earlier arithmetic rounded.
    if (!(value > -0.01 && value < 255.01)) {
      throw new DatasetError(
        `An image tensor has values from 0 to 255, got ${value}. Scale it, or clip it: tf.clipByValue(image, 0, 255).`,
        { value },
      );
    }
    if (channels === 1) bytes.fill(value, i * 3, i * 3 + 3);
    else bytes[i] = value;
  }
  return new Uint8Array(bytes.buffer);
}

function requireAlive(image: tf.Tensor3D): void {
  if (!image.isDisposed) return;
  throw new CaddetError("disposed", "The image tensor was disposed. Keep it until its result is there.");
}

/**
 * Makes a source of a tensor. Values 0..255 are rounded to bytes; 0..1 would be taken for a nearly black image.
 *
 * @param image `[H, W, 3]` RGB or `[H, W, 1]` grey, int32 or float32; the caller's, alive until it was rendered
 * @returns a source of the same size; its `render` throws DatasetError when a value is NaN or outside 0..255
 * @throws ShapeError when it has another rank, type or number of channels; CaddetError with code `disposed`
 */
export function tensorSource(image: tf.Tensor3D): ImageSource {
  requireAlive(image);
  const [height, width, channels] = image.shape;
  const hasType = image.dtype === "int32" || image.dtype === "float32";
  if (image.rank !== 3 || !hasType || (channels !== 3 && channels !== 1)) {
    throw new ShapeError(
      `An image tensor is [H, W, 3] or [H, W, 1], int32 or float32, got ${image.dtype} [${image.shape.join(", ")}]. Slice alpha off, split a batch with tf.unstack.`,
      { shape: image.shape, dtype: image.dtype },
    );
  }
  requirePixels({ height, width }, "An image tensor");
  const render = async (size: Size) => {
    requireAlive(image);
    return resizePixels(bytesOf(await image.data(), channels), { height, width }, size);
  };
  return { height, width, render };
}

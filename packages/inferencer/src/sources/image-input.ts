// Whatever an inferencer is given for an image, as one source of pixels. Files, which need Node, are ../node's.
import { ConfigError } from "@caddet/core";
import * as tf from "@tensorflow/tfjs-core";
import { elementSource, type ImageElement, isImageElement } from "./element-source";
import { type ImageSource, type RgbaImage, type RgbImage, requirePixels } from "./image-source";
import { pixelSource } from "./pixel-source";
import { tensorSource } from "./tensor-source";

/** What {@link toImageSource} takes: pixels, a tensor `[H, W, 3]` or `[H, W, 1]` of 0..255, a browser's element, or a source. */
export type ImageInput = RgbImage | RgbaImage | tf.Tensor3D | ImageSource | ImageElement;

const isObject = (value: unknown): value is object => typeof value === "object" && value !== null;

function describe(value: unknown): string {
  if (typeof value === "string") return `the text "${value.slice(0, 60)}"`;
  return isObject(value) ? Object.prototype.toString.call(value).slice(8, -1) : String(value);
}

/**
 * Makes a source of an image, without copying it: it is read when the source is rendered, and stays the caller's.
 *
 * @param image pixels, tensor, element or source; sources pass through
 * @returns a source of its pixels
 * @throws ShapeError when pixels or a tensor do not have the shape of an image, DatasetError when an element has no pixels, CaddetError
 *   with code `disposed` for a disposed tensor, ConfigError for anything else
 * @example const rgb = await toImageSource(canvas).render({ height: 320, width: 320 });
 */
export function toImageSource(image: ImageInput): ImageSource {
  const given: unknown = image;
  if (given instanceof tf.Tensor) return tensorSource(given as tf.Tensor3D);
  if (isImageElement(given)) return elementSource(given);
  if (isObject(given) && "render" in given && typeof given.render === "function") {
    requirePixels(image as ImageSource, "An image source");
    return image as ImageSource;
  }
  if (isObject(given) && "data" in given && "height" in given && "width" in given) {
    return pixelSource(image as RgbImage | RgbaImage);
  }
  throw new ConfigError(
    `An image is { height, width, data }, a tensor, an element of the page or an image source, got ${describe(given)}. Paths and file bytes are for @caddet/inferencer/node.`,
  );
}

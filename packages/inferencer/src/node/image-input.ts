// What an inferencer takes for an image in Node: whatever it takes elsewhere, and paths and content of files.
import { type ImageInput, type ImageSource, toImageSource } from "../sources";
import { openImage } from "./open-image";

/** An image: as everywhere, or the path or the content of an image file. */
export type NodeImageInput = ImageInput | string | Uint8Array;

/** Opens an image of any kind. */
export function openInput(image: NodeImageInput): ImageSource | Promise<ImageSource> {
  return typeof image === "string" || image instanceof Uint8Array ? openImage(image) : toImageSource(image);
}

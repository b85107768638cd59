// The names of src/sources that @caddet/inferencer exports.
export type { ImageElement } from "./element-source";
export { type ImageInput, toImageSource } from "./image-input";
export type { ImageSource, RgbaImage, RgbImage } from "./image-source";

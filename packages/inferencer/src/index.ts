// Every public name of @caddet/inferencer; reading image files is under @caddet/inferencer/node.
export {
  createInferencer,
  type DetectedObject,
  type DetectOptions,
  type ImageSource,
  type InferenceResult,
  type Inferencer,
  type InferencerOptions,
  type RgbImage,
} from "./inferencer";

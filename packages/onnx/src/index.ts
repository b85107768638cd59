// Every public name of @caddet/onnx.
export { exportOnnx, type OnnxMode, type OnnxOptions, type OnnxOutput } from "./export-onnx";
export { readOnnxMetadata } from "./read-metadata";

// A process that detects objects in one image file, once or many times, as `caddet detect` does: model file and image from the disk,
// boxes out. It prints its resident memory and the number of tensors on the way. bench/detect-memory.ts bundles and runs it:
// detect-process MODEL IMAGE tfjs|onnx SHORTER LONGER COUNT
import { createDetector } from "@caddet/inferencer/node";
import * as tf from "@tensorflow/tfjs-core";

/** What it prints. */
export interface DetectReport {
  /** Resident memory in MiB after the first tenth of the images and after all. */
  readonly rss: readonly [number, number];
  /** Tensors that TensorFlow.js holds at these times. */
  readonly tensors: readonly [number, number];
}

const [file, image, engine, shorter, longer, count] = process.argv.slice(2) as [
  string,
  string,
  "tfjs" | "onnx",
  string,
  string,
  string,
];
// The input is as large as the image: sizes are multiples of 32.
const size = { shorter: Number(shorter), longer: Number(longer) };
const detector = await createDetector({
  file,
  engine,
  size,
  padTo: 32,
  ...(engine === "tfjs" ? { backend: "wasm" as const } : {}),
});
// onnxruntime needs no backend of TensorFlow.js, and so there is none to hold tensors.
const tensors = () => (engine === "tfjs" ? tf.memory().numTensors : 0);
const state = () => [process.memoryUsage.rss() / 2 ** 20, tensors()] as const;
const images = Number(count);
let early = state();
for (let n = 1; n <= images; n++) {
  await detector.detect(image);
  if (n === Math.ceil(images / 10)) early = state();
}
const late = state();
await detector.close();
process.stdout.write(JSON.stringify({ rss: [early[0], late[0]], tensors: [early[1], late[1]] } satisfies DetectReport));

// Where onnxruntime-node is not installed.
import { ConfigError } from "@caddet/core";
import { prepareBackend } from "@caddet/runtime/node";
import * as tf from "@tensorflow/tfjs-core";
import { beforeAll, expect, it, vi } from "vitest";
import { createDetector } from "../src/node";
import { checkpointOf, exportedOf, movedDetector, noise } from "./models";

vi.mock("onnxruntime-node", () => {
  throw new Error("Cannot find package 'onnxruntime-node'");
});

let files: Uint8Array<ArrayBuffer>[];
beforeAll(async () => {
  await prepareBackend({ backend: "wasm" });
  const detector = await movedDetector();
  files = [await checkpointOf(detector), await exportedOf(detector)];
  detector.dispose();
});

it('"auto" takes tfjs for a safetensors file', async () => {
  const made = await createDetector({ file: files[0]! });
  expect(made.engine).toBe("tfjs");
  expect((await made.detect(noise(64, 96, 5), { threshold: 0 })).objects.length).toBeGreaterThan(0);
  await made.close();
});

it("what needs it says what to install, and leaves nothing", async () => {
  const before = tf.memory().numTensors;
  for (const options of [{ file: files[1]! }, { file: files[0]!, engine: "onnx" as const }]) {
    const refused = createDetector(options);
    await expect(refused).rejects.toThrow(
      'The engine "onnx" needs an onnxruntime. Run `npm install onnxruntime-node`.',
    );
    await expect(refused).rejects.toThrow(ConfigError);
  }
  expect(tf.memory().numTensors).toBe(before);
});

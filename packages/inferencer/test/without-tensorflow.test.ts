// An ONNX file needs no backend of TensorFlow.js, not even to resize pixels.
import { prepareBackend } from "@caddet/runtime/node";
import * as tf from "@tensorflow/tfjs-core";
import { expect, it } from "vitest";
import { createDetector } from "../src/node";
import { exportedOf, movedDetector, noise } from "./models";

it("detects where no backend is registered", async () => {
  await prepareBackend({ backend: "cpu" });
  const detector = await movedDetector();
  const file = await exportedOf(detector);
  detector.dispose();
  const image = noise(80, 120, 5);
  const before = await createDetector({ file });
  const wanted = (await before.detect(image, { threshold: 0 })).objects;
  await before.close();
  tf.removeBackend("cpu");
  expect(tf.getBackend()).toBeFalsy();

  const made = await createDetector({ file });
  const { objects } = await made.detect(image, { threshold: 0 });
  await made.close();
  expect(objects.length).toBeGreaterThan(0);
  expect(objects.map(({ box }) => box.map(Math.round))).toEqual(wanted.map(({ box }) => box.map(Math.round)));
});

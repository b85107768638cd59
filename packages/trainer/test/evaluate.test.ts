import { parseAnnotations } from "@caddet/coco";
import { DatasetError, type Detections } from "@caddet/core";
import { composeDetector, type Detector } from "@caddet/detector";
import * as tf from "@tensorflow/tfjs-core";
import { beforeAll, describe, expect, it } from "vitest";
import { backends, useBackend } from "#test/backends";
import { evaluateDetector, type TrainBatch } from "../src";
import { FakeBackbone, FakeHead } from "./fake-parts";
import { CLASSES, squares, squaresBatch, tinyConfig, tinyDetector } from "./tiny-run";

// the squares as a COCO file
function datasetOf(batches: readonly TrainBatch[]) {
  const images = batches.flatMap(({ imageIds, sizes }) =>
    imageIds.map((id, b) => ({ id, file_name: `${id}.png`, width: sizes[b]!.width, height: sizes[b]!.height })),
  );
  const annotations = batches.flatMap(({ imageIds, truths }) =>
    truths.map(({ boxes, labels }, b) => {
      const [x1, y1, x2, y2] = boxes as unknown as [number, number, number, number];
      const [width, height] = [x2 - x1, y2 - y1];
      const id = imageIds[b]! + 1;
      const box = { bbox: [x1, y1, width, height], area: width * height };
      return { id, image_id: imageIds[b]!, category_id: CLASSES[labels[0]!]!.id, iscrowd: 0, ...box };
    }),
  );
  return parseAnnotations({ images, annotations, categories: CLASSES }, { file: "squares.json" });
}

async function* each(batches: readonly TrainBatch[]) {
  yield* batches;
}

describe.each(backends)("evaluateDetector on %s", (backend) => {
  beforeAll(() => useBackend(backend));

  const batch = squaresBatch(3);
  const perfect: Detections[] = batch.truths.map(({ boxes, labels }) => ({
    boxes,
    labels,
    scores: Float32Array.of(0.9),
  }));

  it("gives 1 for the truth, and no costs for a static backbone", async () => {
    const detector = composeDetector({ backbone: new FakeBackbone(), head: new FakeHead(perfect) }) as Detector;
    const before = tf.memory().numTensors;
    const done: number[] = [];
    const evaluation = await evaluateDetector({
      detector,
      dataset: datasetOf([batch]),
      batches: each([batch]),
      onProgress: (images) => void done.push(images),
    });
    expect(evaluation.coco.stats[0]).toBe(1);
    expect(Array.from(evaluation.results.categoryIds)).toEqual(batch.truths.map((t) => CLASSES[t.labels[0]!]!.id));
    expect(evaluation.imageIds).toEqual(batch.imageIds);
    expect(evaluation).not.toHaveProperty("madds");
    expect(evaluation).not.toHaveProperty("gates");
    expect(done).toEqual([2]);
    expect(tf.memory().numTensors).toBe(before);
    detector.dispose();
  });

  it("gives each image's cost and gates for a routed one, and leaks nothing", async () => {
    const detector = tinyDetector(tinyConfig(), 1);
    const batches = [squaresBatch(0, 0), squaresBatch(0, 1), squaresBatch(0, 2)];
    const before = tf.memory().numTensors;
    const { madds, gates, imageIds, medianMs } = await evaluateDetector({
      detector,
      dataset: datasetOf(batches),
      batches: squares(3).epoch(0),
    });
    expect(imageIds).toEqual(batches.flatMap((b) => b.imageIds));
    expect(madds).toHaveLength(6);
    expect(gates).toHaveLength(6 * detector.backbone.routing!.nodeOfPath.length);
    for (const cost of madds!) expect(cost).toBeGreaterThan(0);
    expect(medianMs).toBeGreaterThan(0);
    expect(tf.memory().numTensors).toBe(before);
    detector.dispose();
  });

  it("refuses a source without images", async () => {
    const detector = composeDetector({ backbone: new FakeBackbone(), head: new FakeHead() }) as Detector;
    await expect(evaluateDetector({ detector, dataset: datasetOf([batch]), batches: each([]) })).rejects.toThrow(
      DatasetError,
    );
    detector.dispose();
  });
});

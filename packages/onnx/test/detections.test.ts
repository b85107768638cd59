// The detections of an exported model are those of the detector: the same boxes in the same order, for every option of the heads.
import { IMAGENET_NORMALISATION, type ImageSize, normalisationTable } from "@caddet/core";
import type { Detector } from "@caddet/detector";
import type { FcosHeadOptions, RetinaHeadOptions } from "@caddet/heads";
import * as tf from "@tensorflow/tfjs-core";
import { describe, expect, it } from "vitest";
import { exportOnnx, type OnnxOptions } from "../src";
import { expectClose, fcosDetector, randomImages, retinaDetector, runModel } from "./models";

const SIZES: ImageSize[] = [
  { height: 71, width: 93 },
  { height: 60, width: 90, scaleX: 2, scaleY: 1.5 },
  { height: 10, width: 93, scaleX: 0.5, scaleY: 0.5 },
];
const rowOf = ({ height, width, scaleX = 1, scaleY = 1 }: ImageSize) => [height, width, scaleX, scaleY];

async function compare(detector: Detector, options: OnnxOptions = {}, sizes = SIZES): Promise<number[]> {
  const images = randomImages(sizes.length, 71, 93);
  const { detections } = await detector.detect(images, sizes);
  const model = await runModel(await exportOnnx(detector, options), images, sizes.map(rowOf));
  images.dispose();
  const join = (pick: (image: (typeof detections)[number]) => ArrayLike<number>) =>
    detections.flatMap((image) => Array.from(pick(image)));
  const counts = detections.map(({ scores }) => scores.length);
  expect(Array.from(model.get("image_index"))).toEqual(counts.flatMap((n, image) => Array<number>(n).fill(image)));
  expect(Array.from(model.get("labels"))).toEqual(join(({ labels }) => labels));
  expectClose(
    model.get("scores"),
    join(({ scores }) => scores),
    1e-3,
    "scores",
  );
  expectClose(
    model.get("boxes"),
    join(({ boxes }) => boxes),
    1e-3,
    "boxes",
  );
  expect(model.shape("boxes")).toEqual([counts.reduce((a, b) => a + b), 4]);
  return counts;
}

// Few enough that no two scores are equal but for rounding.
const test = { scoreThreshold: 0.3, maxPerImage: 20 };

const FCOS: [string, Partial<FcosHeadOptions>][] = [
  ["as it is by default", {}],
  ["with many classes", { numClasses: 17 }],
  ["with one class", { numClasses: 1, test: { scoreThreshold: 0.15, maxPerImage: 20 } }],
  ["cut to few points a level", { test: { ...test, nmsPre: 9 } }],
  ["cut to few pairs a level", { normaliser: "mmdet-2.28", test: { ...test, nmsPre: 9 } }],
  ["as mmdetection 2.28", { normaliser: "mmdet-2.28" }],
  ["across classes", { test: { ...test, classAgnostic: true } }],
  ["across classes, as mmdetection 2.28", { normaliser: "mmdet-2.28", test: { ...test, classAgnostic: true } }],
  ["with another IoU and a limit", { test: { scoreThreshold: 0.4, nmsIou: 0.2, maxPerImage: 3 } }],
  ["with batch norm", { norm: "batch" }],
  ["without norm", { norm: "none" }],
  ["with separable towers", { tower: "separable", stackedConvs: 2 }],
  ["without towers", { stackedConvs: 0 }],
  ["with one tower", { sharedTowers: true }],
  ["with distances in strides", { normOnBbox: true, centernessOnReg: true }],
];

const RETINA: [string, Partial<RetinaHeadOptions>][] = [
  ["as it is by default", {}],
  ["cut to few anchors a level", { test: { ...test, nmsPre: 9 } }],
  ["cut to few pairs a level", { flavour: "mmdet-2.28", test: { ...test, nmsPre: 9 } }],
  ["as mmdetection 2.28", { flavour: "mmdet-2.28" }],
  ["across classes", { test: { ...test, classAgnostic: true } }],
  ["with other anchors", { anchors: { baseScale: 3, scalesPerOctave: 2, ratios: [0.4, 1] } }],
  ["with group norm and one tower", { norm: "group", sharedTowers: true }],
];

describe("FCOS", () => {
  it.each(FCOS)("%s", async (_, head) => {
    const detector = await fcosDetector({ head: { test, ...head } });
    expect(Math.min(...(await compare(detector)))).toBeGreaterThan(0);
    detector.dispose();
  });

  it("gives none where no score is high enough", async () => {
    const detector = await fcosDetector({ head: { test: { scoreThreshold: 0.999999 } } });
    expect(await compare(detector)).toEqual([0, 0, 0]);
    detector.dispose();
  });

  it.each(["masked", "dynamic"] as const)("does so in mode %s with a fixed size", async (mode) => {
    const detector = await fcosDetector({ head: { test } });
    await compare(detector, { mode, size: { height: 71, width: 93 } });
    detector.dispose();
  });

  it("normalises plain RGB itself, with padding at 0", async () => {
    const detector = await fcosDetector({ head: { test } });
    const [height, width, input] = [50, 40, { height: 64, width: 48 }];
    const table = normalisationTable(IMAGENET_NORMALISATION);
    const plain = new Float32Array(input.height * input.width * 3).fill(7); // what lies in the padding is of no matter
    const normal = new Float32Array(plain.length);
    for (let i = 0; i < plain.length; i++) {
      const [row, column, channel] = [Math.floor(i / 3 / input.width), Math.floor(i / 3) % input.width, i % 3];
      if (row >= height || column >= width) continue;
      plain[i] = (i * 37) % 256;
      normal[i] = table[channel * 256 + plain[i]!]!;
    }
    const shape: [number, number, number, number] = [1, input.height, input.width, 3];
    const [a, b] = [tf.tensor4d(plain, shape), tf.tensor4d(normal, shape)];
    const sizes = [[height, width, 1, 1]];
    const own = await runModel(await exportOnnx(detector, { normalise: IMAGENET_NORMALISATION }), a, sizes);
    const given = await runModel(await exportOnnx(detector), b, sizes);
    expect(given.get("scores").length).toBeGreaterThan(0);
    for (const name of ["boxes", "scores", "labels"]) expectClose(own.get(name), given.get(name), 1e-4, name);
    tf.dispose([a, b]);
    detector.dispose();
  });
});

describe("RetinaNet", () => {
  it.each(RETINA)("%s", async (_, head) => {
    const detector = await retinaDetector({ head: { test, ...head } });
    expect(Math.min(...(await compare(detector)))).toBeGreaterThan(0);
    detector.dispose();
  });
});

describe("raw maps", () => {
  it.each([
    ["FCOS", fcosDetector, ["classes", "distances", "centerness"]],
    ["RetinaNet", retinaDetector, ["classes", "deltas"]],
  ] as const)("of %s are the head's", async (_, make, names) => {
    const detector = await make();
    const images = randomImages(2, 56, 72);
    const { features } = await detector.backbone.forwardRouted!(images);
    const raw = detector.head.forward(features, { training: false }) as Record<string, tf.Tensor4D[]>;
    const model = await runModel(await exportOnnx(detector, { output: "raw" }), images);
    for (const name of names) {
      for (const [l, map] of raw[name]!.entries()) {
        expect(model.shape(`${name}_${l}`)).toEqual(map.shape);
        expectClose(model.get(`${name}_${l}`), await map.data(), 1e-4, `${name} ${l}`);
      }
    }
    detector.head.disposeRaw(raw);
    tf.dispose([images, features.maps as tf.Tensor4D[]]);
    detector.dispose();
  });
});

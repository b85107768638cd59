// What the heads do on the CPU in training and after inference, at the sizes of 16 images of 800×1216 pixels with 30 boxes each: targets,
// suppression, decoding. Median milliseconds of interleaved runs after warm-up, one core; decoding on the wasm backend.
// Peers: the plain rule over all anchors or points, TensorFlow.js' own suppression, and decoding that reads whole maps.
import "@tensorflow/tfjs-backend-wasm";
import { createRandom, type GroundTruth } from "@caddet/core";
import {
  assignFcosTargets,
  assignMaxIou,
  assignRetinaTargets,
  createFcosHead,
  createRetinaHead,
  fcosPoints,
  levelAnchors,
  nms,
  softNms,
} from "@caddet/heads";
import * as tf from "@tensorflow/tfjs-core";
import type { BenchRow } from "./kernels";

interface Contest {
  name: string;
  shape: string;
  own: () => unknown;
  peerName: string;
  peer: () => unknown;
}

const RUNS = 11;
const WARM_UP = 3;
const BATCH = 16;
const IMAGE = { height: 800, width: 1216 };
const STRIDES = [8, 16, 32, 64, 128];
const SIZES = [
  [100, 152],
  [50, 76],
  [25, 38],
  [13, 19],
  [7, 10],
].map(([height, width]) => ({ height: height!, width: width! }));
const NUM_CLASSES = 80;
const SHAPE = `${BATCH}x${IMAGE.height}x${IMAGE.width}`;

const random = createRandom(0);
const between = (low: number, high: number) => low + random.next() * (high - low);

/** Boxes of all sizes, small ones more often. */
function makeTruth(count: number): GroundTruth {
  const boxes = Array.from({ length: count }, () => {
    const [w, h] = [8 + 500 * random.next() ** 2, 8 + 500 * random.next() ** 2];
    const [x, y] = [between(0, IMAGE.width - w), between(0, IMAGE.height - h)];
    return [x, y, x + w, y + h];
  });
  return {
    boxes: Float32Array.from(boxes.flat()),
    labels: Int32Array.from(boxes, () => Math.floor(between(0, NUM_CLASSES))),
    crowd: new Uint8Array(count),
  };
}

/** FCOS's rule as it is written: every point against every box. */
function assignEveryPoint(
  truths: readonly GroundTruth[],
  ranges: readonly (readonly [number, number])[],
): Int32Array[] {
  return SIZES.flatMap((size, l) => {
    const points = fcosPoints(size, STRIDES[l]!);
    const [low, high] = ranges[l]!;
    return truths.map(({ boxes, labels }) => {
      const owner = new Int32Array(points.length / 2).fill(-1);
      for (let p = 0; p < owner.length; p++) {
        let smallest = Number.POSITIVE_INFINITY;
        for (let g = 0; g < labels.length; g++) {
          const left = points[2 * p]! - boxes[4 * g]!;
          const top = points[2 * p + 1]! - boxes[4 * g + 1]!;
          const right = boxes[4 * g + 2]! - points[2 * p]!;
          const bottom = boxes[4 * g + 3]! - points[2 * p + 1]!;
          const largest = Math.max(left, top, right, bottom);
          const area = (left + right) * (top + bottom);
          if (Math.min(left, top, right, bottom) > 0 && largest >= low && largest <= high && area < smallest) {
            smallest = area;
            owner[p] = g;
          }
        }
      }
      return owner;
    });
  });
}

/** Runs on a backend that cannot choose on the device: whole maps are read, and cut on the CPU. */
async function withoutTopK(run: () => Promise<unknown>): Promise<void> {
  const kernel = tf.getKernel("TopK", "wasm");
  tf.unregisterKernel("TopK", "wasm");
  await run().finally(() => tf.registerKernel(kernel));
}

function* contests(): Generator<Contest> {
  const truths = Array.from({ length: BATCH }, () => makeTruth(30));
  const fcos = createFcosHead({ inChannels: 32, channels: 32, stackedConvs: 0, numClasses: NUM_CLASSES, random });
  const retina = createRetinaHead({ inChannels: 32, channels: 32, stackedConvs: 0, numClasses: NUM_CLASSES, random });
  yield {
    name: "FCOS targets",
    shape: `${SHAPE}, 30 boxes`,
    own: () => assignFcosTargets(truths, SIZES, fcos.settings),
    peerName: "every point against every box",
    peer: () => assignEveryPoint(truths, fcos.settings.regressRanges),
  };
  const anchors = Float32Array.from(SIZES.flatMap((size, l) => [...levelAnchors(size, STRIDES[l]!)]));
  yield {
    name: "RetinaNet targets",
    shape: `${SHAPE}, 30 boxes`,
    own: () => assignRetinaTargets(truths, SIZES, retina.settings),
    peerName: "assignMaxIou, assignment alone",
    peer: () => truths.map((truth) => assignMaxIou(anchors, truth)),
  };

  const { boxes } = makeTruth(5000);
  const scores = Float32Array.from({ length: 5000 }, () => random.next());
  const [boxTensor, scoreTensor] = [tf.tensor2d(boxes, [5000, 4]), tf.tensor1d(scores)];
  yield {
    name: "NMS",
    shape: "5000, one class",
    own: () => nms(boxes, scores, 0.5),
    peerName: "tf.image.nonMaxSuppressionAsync",
    peer: async () => (await tf.image.nonMaxSuppressionAsync(boxTensor, scoreTensor, 5000, 0.5)).dispose(),
  };
  yield {
    name: "soft-NMS, gaussian",
    shape: "5000, one class, best 100",
    own: () => softNms(boxes, scores, { limit: 100 }),
    peerName: "tf.image.nonMaxSuppressionWithScoreAsync",
    peer: async () =>
      tf.dispose(
        // TensorFlow's decay is exp(-IoU² / (2 · sigma)).
        (await tf.image.nonMaxSuppressionWithScoreAsync(
          boxTensor,
          scoreTensor,
          100,
          1,
          0.001,
          0.25,
        )) as tf.NamedTensorMap,
      ),
  };

  const maps = (channels: number, mean: number, deviation: number) =>
    SIZES.map(({ height, width }, l) =>
      tf.randomNormal<tf.Rank.R4>([BATCH, height, width, channels], mean, deviation, "float32", l + 1),
    );
  const sizes = Array.from({ length: BATCH }, () => IMAGE);
  const fcosRaw = {
    classes: maps(NUM_CLASSES, -5, 1.2),
    distances: maps(4, 20, 4),
    centerness: maps(1, 0, 1),
    unit: "pixel" as const,
  };
  yield {
    name: "FCOS decode",
    shape: `${SHAPE}, ${NUM_CLASSES} classes`,
    own: () => fcos.decode(fcosRaw, sizes),
    peerName: "read of whole maps",
    peer: () => withoutTopK(() => fcos.decode(fcosRaw, sizes)),
  };
  fcos.disposeRaw(fcosRaw);
  // Nine times as many predictions: fewer classes, so that they fit the memory of the wasm backend twice.
  const few = createRetinaHead({ inChannels: 32, channels: 32, stackedConvs: 0, numClasses: 20, random });
  const retinaRaw = { classes: maps(9 * 20, -6, 1), deltas: maps(36, 0, 0.3) };
  yield {
    name: "RetinaNet decode",
    shape: `${SHAPE}, 20 classes`,
    own: () => few.decode(retinaRaw, sizes),
    peerName: "read of whole maps",
    peer: () => withoutTopK(() => few.decode(retinaRaw, sizes)),
  };
  retina.disposeRaw(retinaRaw);
  tf.dispose([boxTensor, scoreTensor]);
  for (const head of [fcos, retina, few]) head.dispose();
}

const median = (values: number[]) => values.sort((a, b) => a - b)[values.length >> 1]!;

async function time(run: () => unknown): Promise<number> {
  const start = performance.now();
  await run();
  return performance.now() - start;
}

/** Measures everything; returns rows as bench/main.ts wants them. */
export async function run(): Promise<{ rows: BenchRow[] }> {
  await tf.setBackend("wasm");
  const rows: BenchRow[] = [];
  for (const { name, shape, own, peerName, peer } of contests()) {
    const [ownTimes, peerTimes]: [number[], number[]] = [[], []];
    for (let i = -WARM_UP; i < RUNS; i++) {
      const [a, b] = [await time(own), await time(peer)];
      if (i >= 0) {
        ownTimes.push(a);
        peerTimes.push(b);
      }
    }
    const [ownMs, peerMs] = [median(ownTimes), median(peerTimes)];
    const round = (value: number) => Number(value.toPrecision(3));
    rows.push({
      name,
      shape,
      median_ms: round(ownMs),
      peer: peerName,
      peer_ms: round(peerMs),
      ratio: round(peerMs / ownMs),
      gmadds_per_s: null,
      forward_gmadds_per_s: null,
    });
  }
  return { rows };
}

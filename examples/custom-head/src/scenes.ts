// Small drawn scenes in memory: discs, squares and triangles on noise, as pixels, truths, batches, and COCO's table of them. The same
// seed gives the same scenes.
import { type CocoDataset, parseAnnotations } from "@caddet/coco";
import {
  createRandom,
  type GroundTruth,
  type Normalisation,
  normalisationTable,
  type Random,
  writePixels,
} from "@caddet/core";
import type { BatchSource, TrainBatch } from "@caddet/trainer";

/** The class names by index. */
export const CLASSES = [
  { id: 1, name: "disc" },
  { id: 2, name: "square" },
  { id: 3, name: "triangle" },
] as const;

/** Rows and columns of a scene, in pixels. */
export const SIDE = 96;

/** How pixels become the network's input. */
export const NORMALISATION: Normalisation = { mean: [128, 128, 128], std: [64, 64, 64] };

/** One drawn image. */
export interface Scene {
  /** `[SIDE * SIDE * 3]`, RGB. */
  readonly pixels: Uint8Array;
  readonly truth: GroundTruth;
}

// Whether a point of the unit square belongs to the shape.
const COVERS: readonly ((u: number, v: number) => boolean)[] = [
  (u, v) => (u - 0.5) ** 2 + (v - 0.5) ** 2 <= 0.25,
  () => true,
  (u, v) => Math.abs(u - 0.5) <= v / 2,
];

interface Placed {
  readonly x: number;
  readonly y: number;
  readonly side: number;
}

function place(placed: readonly Placed[], random: Random): Placed | undefined {
  for (let attempt = 0; attempt < 20; attempt++) {
    const side = 12 + random.int(25);
    const spot = { x: random.int(SIDE - side), y: random.int(SIDE - side), side };
    const apart = (a: number, b: number, other: Placed) => a + side < b || b + other.side < a;
    if (placed.every((other) => apart(spot.x, other.x, other) || apart(spot.y, other.y, other))) return spot;
  }
  return undefined;
}

/**
 * Draws one scene: one to five objects of 12 to 36 pixels that do not overlap.
 *
 * @param random the generator
 * @returns pixels and truth
 */
export function drawScene(random: Random): Scene {
  const ground = 60 + random.int(80);
  const pixels = Uint8Array.from({ length: SIDE * SIDE * 3 }, () => ground + random.int(40));
  const placed: Placed[] = [];
  const labels: number[] = [];
  for (let wanted = 1 + random.int(5); wanted > 0; wanted--) {
    const spot = place(placed, random);
    if (!spot) continue;
    const label = random.int(CLASSES.length);
    // One channel is bright, so that an object differs from every ground.
    const bright = random.int(3);
    const colour = [0, 1, 2].map((c) => (c === bright ? 215 + random.int(40) : random.int(120)));
    for (let row = 0; row < spot.side; row++) {
      for (let column = 0; column < spot.side; column++) {
        if (!COVERS[label]!((column + 0.5) / spot.side, (row + 0.5) / spot.side)) continue;
        pixels.set(colour, ((spot.y + row) * SIDE + spot.x + column) * 3);
      }
    }
    placed.push(spot);
    labels.push(label);
  }
  const boxes = Float32Array.from(placed.flatMap(({ x, y, side }) => [x, y, x + side, y + side]));
  return { pixels, truth: { boxes, labels: Int32Array.from(labels), crowd: new Uint8Array(labels.length) } };
}

/** Draws `count` scenes. */
export function drawScenes(count: number, seed: number): Scene[] {
  return Array.from({ length: count }, (_, i) => drawScene(createRandom(seed, i)));
}

function toBatch(scenes: readonly Scene[], imageIds: readonly number[]): TrainBatch {
  const images = new Float32Array(scenes.length * SIDE * SIDE * 3);
  const table = normalisationTable(NORMALISATION);
  const size = { height: SIDE, width: SIDE };
  for (const [i, { pixels }] of scenes.entries()) {
    writePixels(pixels, size, table, images, { offset: i * SIDE * SIDE * 3, stride: SIDE, flipped: false });
  }
  return {
    images,
    shape: [scenes.length, SIDE, SIDE, 3],
    truths: scenes.map(({ truth }) => truth),
    sizes: scenes.map(() => size),
    imageIds,
  };
}

/**
 * Scenes as batches for a trainer, in another order each epoch.
 *
 * @param scenes image id i + 1 is scene i
 * @param batchSize a last batch that is smaller is left out
 * @param seed of the order; none keeps it
 * @returns a source of batches
 */
export function sceneBatches(scenes: readonly Scene[], batchSize: number, seed?: number): BatchSource {
  const batchesPerEpoch = Math.floor(scenes.length / batchSize);
  return {
    batchesPerEpoch,
    async *epoch(epoch, { startBatch = 0 } = {}) {
      const ids = [...scenes.keys()];
      const order = seed === undefined ? ids : createRandom(seed, epoch).shuffle(ids);
      for (let b = startBatch; b < batchesPerEpoch; b++) {
        const own = order.slice(b * batchSize, (b + 1) * batchSize);
        yield toBatch(
          own.map((i) => scenes[i]!),
          own.map((i) => i + 1),
        );
      }
    },
  };
}

/** The truths of scenes as a COCO data set, for evaluation. */
export function sceneDataset(scenes: readonly Scene[]): CocoDataset {
  const images = scenes.map((_, i) => ({ id: i + 1, width: SIDE, height: SIDE, file_name: `${i + 1}.png` }));
  const annotations = scenes.flatMap(({ truth }, i) =>
    [...truth.labels].map((label, n) => {
      const [x1, y1, x2, y2] = truth.boxes.subarray(4 * n, 4 * n + 4) as unknown as [number, number, number, number];
      const bbox = [x1, y1, x2 - x1, y2 - y1];
      return { image_id: i + 1, category_id: label + 1, bbox, area: bbox[2]! * bbox[3]!, iscrowd: 0 };
    }),
  );
  const json = { images, annotations: annotations.map((a, i) => ({ ...a, id: i + 1 })), categories: CLASSES };
  return parseAnnotations(json, { file: "drawn scenes" });
}

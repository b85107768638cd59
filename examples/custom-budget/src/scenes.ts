// Small drawn scenes in memory, in which the number of objects and the edges of the ground have nothing to do with one another: squares
// and discs on a ground that is plain or hatched. The same seed gives the same scenes.
import { createRandom, type GroundTruth, type Random } from "@caddet/core";
import type { BatchSource, TrainBatch } from "@caddet/trainer";

/** The class names by index. */
export const CLASSES = ["square", "disc"] as const;

/** Rows and columns of a scene, in pixels. */
export const SIDE = 96;

/** One drawn image. */
export interface Scene {
  /** `[SIDE * SIDE * 3]`, about -2 to 2. */
  readonly pixels: Float32Array;
  readonly truth: GroundTruth;
}

interface Placed {
  readonly x: number;
  readonly y: number;
  readonly side: number;
}

const MOST = 8;

function place(placed: readonly Placed[], random: Random): Placed | undefined {
  for (let attempt = 0; attempt < 30; attempt++) {
    const side = 12 + random.int(13);
    const spot = { x: random.int(SIDE - side), y: random.int(SIDE - side), side };
    const apart = (a: number, b: number, other: Placed) => a + side < b || b + other.side < a;
    if (placed.every((other) => apart(spot.x, other.x, other) || apart(spot.y, other.y, other))) return spot;
  }
  return undefined;
}

// Stripes of 3 to 5 pixels on a share of the rows, so that the density of edges is anything from none to much.
function ground(random: Random): Float32Array {
  const pixels = new Float32Array(SIDE * SIDE * 3);
  const [base, period, hatched] = [random.next() - 1, 6 + 2 * random.int(3), random.int(SIDE + 1)];
  for (let y = 0; y < SIDE; y++) {
    for (let x = 0; x < SIDE; x++) {
      const dark = y < hatched && (x + y) % period < period / 2;
      pixels.fill(base + (dark ? -0.6 : 0) + 0.05 * random.normal(), (y * SIDE + x) * 3, (y * SIDE + x + 1) * 3);
    }
  }
  return pixels;
}

/**
 * Draws one scene: one to eight objects of 12 to 24 pixels that do not overlap.
 *
 * @param random the generator
 * @returns pixels and truth
 */
export function drawScene(random: Random): Scene {
  const pixels = ground(random);
  const placed: Placed[] = [];
  const labels: number[] = [];
  for (let wanted = 1 + random.int(MOST); wanted > 0; wanted--) {
    const spot = place(placed, random);
    if (!spot) continue;
    const label = random.int(CLASSES.length);
    const colour = label === 0 ? [2, 0.5, -0.5] : [-0.5, 0.5, 2];
    for (let row = 0; row < spot.side; row++) {
      for (let column = 0; column < spot.side; column++) {
        const [u, v] = [(column + 0.5) / spot.side - 0.5, (row + 0.5) / spot.side - 0.5];
        if (label === 1 && u ** 2 + v ** 2 > 0.25) continue;
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

/** Scenes as one batch, under the ids that are given. */
export function toBatch(scenes: readonly Scene[], imageIds: readonly number[]): TrainBatch {
  const images = new Float32Array(scenes.length * SIDE * SIDE * 3);
  for (const [i, { pixels }] of scenes.entries()) images.set(pixels, i * SIDE * SIDE * 3);
  return {
    images,
    shape: [scenes.length, SIDE, SIDE, 3],
    truths: scenes.map(({ truth }) => truth),
    sizes: scenes.map(() => ({ height: SIDE, width: SIDE })),
    imageIds,
  };
}

/**
 * Scenes as batches for a trainer, in another order each epoch.
 *
 * @param scenes image id i is scene i
 * @param batchSize a last batch that is smaller is left out
 * @param seed of the order
 * @returns a source of batches
 */
export function sceneBatches(scenes: readonly Scene[], batchSize: number, seed: number): BatchSource {
  const batchesPerEpoch = Math.floor(scenes.length / batchSize);
  return {
    batchesPerEpoch,
    async *epoch(epoch, { startBatch = 0 } = {}) {
      const order = createRandom(seed, epoch).shuffle([...scenes.keys()]);
      for (let b = startBatch; b < batchesPerEpoch; b++) {
        const own = order.slice(b * batchSize, (b + 1) * batchSize);
        yield toBatch(
          own.map((i) => scenes[i]!),
          own,
        );
      }
    },
  };
}

// Writes a data set of drawn scenes in COCO's layout: annotations/instances_{train,val}.json next to the folders train and val of
// JPEG images. It needs no download and no licence, and it holds what CADDet is about: images that differ in how much they show.
import { mkdir, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { ConfigError, createRandom, type Random } from "@caddet/core";
import sharp from "sharp";
import { paintScene } from "./paint";
import { planScene, type Scene, type SceneKind } from "./scene";
import { SHAPES } from "./shapes";

/** How many scenes to draw, and where. */
interface DrawScenesOptions {
  /** The folder, made if it is not there; files of the same names are replaced. */
  readonly out: string;
  /** Any finite number; the same seed gives the same files. */
  readonly seed: number;
  /** Images to train on, at least 0. */
  readonly train: number;
  /** Images to evaluate on, at least 0. They share nothing with the training images. */
  readonly val: number;
  /** Of a landscape image, in pixels, default 512; a portrait one has the sides swapped. */
  readonly width?: number;
  /** Of a landscape image, in pixels, default 384. */
  readonly height?: number;
}

/** Where a split lies and what is in it. */
interface DrawnSplit {
  readonly annotations: string;
  readonly images: string;
  readonly imageCount: number;
  readonly objectCount: number;
}

/** What was drawn. */
export interface DrawnScenes {
  readonly classNames: readonly string[];
  readonly train: DrawnSplit;
  readonly val: DrawnSplit;
}

interface ImageRecord {
  readonly id: number;
  readonly file_name: string;
  readonly width: number;
  readonly height: number;
  readonly kind: SceneKind;
}

interface AnnotationRecord {
  readonly id: number;
  readonly image_id: number;
  readonly category_id: number;
  readonly bbox: readonly [x: number, y: number, width: number, height: number];
  readonly area: number;
  readonly iscrowd: 0;
}

/** The share of portrait images. */
const PORTRAIT = 0.3;
/** Images drawn at once: sharp works on threads of its own, of which Node gives it four. */
const AT_ONCE = 4;
/** The first random stream of each split; no split has as many images as lie between them. */
const STREAMS = { train: 1, val: 1_000_000_001 } as const;

interface PlannedImage {
  readonly file: string;
  readonly scene: Scene;
  /** Where the plan left off: colours and clutter come from the same stream. */
  readonly random: Random;
}

async function drawAll(planned: readonly PlannedImage[]): Promise<void> {
  const queue = planned.values();
  const worker = async () => {
    for (const { file, scene, random } of queue) {
      const svg = Buffer.from(paintScene(scene, random));
      await sharp(svg).flatten().jpeg({ quality: 90 }).toFile(file);
    }
  };
  await Promise.all(Array.from({ length: AT_ONCE }, worker));
}

async function drawSplit(
  split: "train" | "val",
  count: number,
  { out, seed, width, height }: Required<DrawScenesOptions>,
): Promise<DrawnSplit> {
  const [folder, annotationFile] = [join(out, split), join(out, "annotations", `instances_${split}.json`)];
  const images: ImageRecord[] = [];
  const annotations: AnnotationRecord[] = [];
  const planned: PlannedImage[] = [];
  for (let i = 0; i < count; i++) {
    // A stream an image: what an image shows does not depend on how many there are.
    const random = createRandom(seed, STREAMS[split] + i);
    const kind = i % 2 === 0 ? "easy" : "busy";
    const size = random.next() < PORTRAIT ? { width: height, height: width } : { width, height };
    const scene = planScene({ kind, ...size }, random);
    const [id, name] = [i + 1, `${String(i + 1).padStart(12, "0")}.jpg`];
    images.push({ id, file_name: name, ...size, kind });
    for (const { shape, x, y, width: w, height: h } of scene.objects) {
      const record = { id: annotations.length + 1, image_id: id, category_id: shape + 1, iscrowd: 0 } as const;
      annotations.push({ ...record, bbox: [x, y, w, h], area: w * h });
    }
    planned.push({ file: join(folder, name), scene, random });
  }
  await mkdir(folder, { recursive: true });
  await drawAll(planned);
  const categories = SHAPES.map(({ name }, i) => ({ id: i + 1, name }));
  const info = { description: `Drawn scenes, seed ${seed}`, version: "1" };
  await writeFile(annotationFile, JSON.stringify({ info, images, annotations, categories }));
  return { annotations: annotationFile, images: folder, imageCount: images.length, objectCount: annotations.length };
}

/**
 * Draws a data set: half of the images easy (1 or 2 objects of one scale interval), half busy (6 to 14 over 3 or 4 intervals), and
 * each image's record says which in `kind`. Boxes are tight and inside the image; nothing is covered by more than 60%.
 *
 * @param options folder, seed, counts, and the size of landscape images in pixels, default 512 × 384
 * @returns where the files are, and what is in them
 * @throws ConfigError when a count is not a natural number or the images are too small for the largest scale interval
 * @example await drawScenes({ out: "runs/scenes", seed: 7, train: 1200, val: 300 })
 */
export async function drawScenes({ width = 512, height = 384, ...rest }: DrawScenesOptions): Promise<DrawnScenes> {
  const { train, val, out } = rest;
  const sides = [Math.max(width, height), Math.min(width, height)] as const;
  if (![width, height].every(Number.isInteger) || sides[0] < 420 || sides[1] < 240) {
    throw new ConfigError(
      `Scenes need a longer side of at least 420 pixels and a shorter one of at least 240, got ${width} × ${height}.`,
    );
  }
  if (![train, val].every((count) => Number.isSafeInteger(count) && count >= 0 && count < 1e9)) {
    throw new ConfigError(`The numbers of images must be integers of at least 0, got train ${train} and val ${val}.`);
  }
  await mkdir(join(out, "annotations"), { recursive: true });
  const options = { ...rest, width, height };
  return {
    classNames: SHAPES.map(({ name }) => name),
    train: await drawSplit("train", train, options),
    val: await drawSplit("val", val, options),
  };
}

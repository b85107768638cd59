// A COCO-format set of a few drawn images, and a configuration that is trained on it within a second.
import { mkdir, mkdtemp, readFile, realpath, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createRandom } from "@caddet/core";
import type { TrainConfigInput } from "@caddet/trainer";
import sharp from "sharp";

const SIDE = 64;
const IMAGES = 4;

interface Instances {
  images: Record<string, unknown>[];
  annotations: Record<string, unknown>[];
  categories: Record<string, unknown>[];
}

/** A drawn set on disk. */
export interface DrawnSet {
  /** The data set's folder. */
  readonly folder: string;
  /** A configuration file for it: 2 steps of 2 images, on the preset `tiny`. */
  readonly configFile: string;
  /** A new path beside the set. */
  path(name: string): string;
  /** Changes an annotation file; a text takes its place. */
  change(split: "train" | "val", change: (json: Instances) => string | undefined): Promise<void>;
  remove(): Promise<void>;
}

/** The configuration that {@link drawSet} writes. */
export const CONFIG: TrainConfigInput = {
  model: {
    backbone: { preset: "tiny" },
    head: { stackedConvs: 1, groups: 4, test: { scoreThreshold: 0.001 } },
  },
  data: { shorter: SIDE, longer: 96, batchSize: 2 },
  schedule: { maxSteps: 2, warmupSteps: 0 },
};

// A square on noise, so that half of the file is half of the picture.
async function drawJpeg(left: number, top: number, side: number): Promise<Buffer> {
  const random = createRandom(left);
  const noise = Uint8Array.from({ length: SIDE * SIDE * 3 }, () => 64 + random.int(128));
  const square = { create: { width: side, height: side, channels: 3 as const, background: "#e02020" } };
  return sharp(noise, { raw: { width: SIDE, height: SIDE, channels: 3 } })
    .composite([{ input: square, left, top }])
    .jpeg({ quality: 90 })
    .toBuffer();
}

/** Draws `train` and `val` of four images of 64 x 64 pixels with one square each. */
export async function drawSet(): Promise<DrawnSet> {
  const root = await realpath(await mkdtemp(join(tmpdir(), "caddet-")));
  const folder = join(root, "set");
  const path = (name: string) => join(root, name);
  const fileOf = (split: string) => join(folder, "annotations", `instances_${split}.json`);
  await mkdir(join(folder, "annotations"), { recursive: true });
  for (const split of ["train", "val"]) {
    await mkdir(join(folder, split));
    const json: Instances = { images: [], annotations: [], categories: [] };
    for (let n = 1; n <= IMAGES; n++) {
      const [x, y, side] = [4 * n, 3 * n, 12 + 6 * n];
      await writeFile(join(folder, split, `${n}.jpg`), await drawJpeg(x, y, side));
      json.images.push({ id: n, file_name: `${n}.jpg`, width: SIDE, height: SIDE });
      json.annotations.push({
        id: 100 + n,
        image_id: n,
        category_id: n % 2 === 0 ? 3 : 7,
        bbox: [x, y, side, side],
        area: side * side,
        iscrowd: 0,
      });
    }
    json.categories.push({ id: 3, name: "even" }, { id: 7, name: "odd" });
    await writeFile(fileOf(split), JSON.stringify(json));
  }
  const configFile = path("tiny.json");
  await writeFile(configFile, JSON.stringify(CONFIG));
  return {
    folder,
    configFile,
    path,
    change: async (split, change) => {
      const json = JSON.parse(await readFile(fileOf(split), "utf8")) as Instances;
      await writeFile(fileOf(split), change(json) ?? JSON.stringify(json));
    },
    remove: () => rm(root, { recursive: true }),
  };
}

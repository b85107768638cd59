// A data set of images drawn here, in a temporary folder.
import { mkdir, mkdtemp, realpath, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import sharp from "sharp";

export interface DrawnImage {
  id: number;
  width: number;
  height: number;
  /** Default a shade of its own. */
  colour?: { r: number; g: number; b: number };
}

/** A JPEG of one colour; the left third is black where `marked`. */
export async function drawJpeg({ width, height, colour }: Omit<DrawnImage, "id">, marked = false): Promise<Buffer> {
  const background = colour ?? { r: 200, g: 100, b: 50 };
  const image = sharp({ create: { width, height, channels: 3, background } });
  const black = { create: { width: Math.floor(width / 3), height, channels: 3 as const, background: "black" } };
  if (marked) image.composite([{ input: black, left: 0, top: 0 }]);
  return image.jpeg({ quality: 95 }).toBuffer();
}

/** Photograph-like noise, so that half of the file is half of the picture. */
export async function drawNoise({ width, height }: { width: number; height: number }): Promise<Buffer> {
  const create = {
    width,
    height,
    channels: 3 as const,
    background: "grey",
    noise: { type: "gaussian" as const, mean: 128, sigma: 40 },
  };
  return sharp({ create }).jpeg().toBuffer();
}

/** Writes `annotations/instances_train.json` and `train/ID.jpg`; each image has one box over its left third. */
export async function drawDataset(
  images: readonly DrawnImage[],
): Promise<{ folder: string; remove: () => Promise<void> }> {
  const folder = await realpath(await mkdtemp(join(tmpdir(), "coco-")));
  await mkdir(join(folder, "annotations"));
  await mkdir(join(folder, "train"));
  for (const image of images) await writeFile(join(folder, "train", `${image.id}.jpg`), await drawJpeg(image, true));
  const json = {
    images: images.map(({ id, width, height }) => ({ id, file_name: `${id}.jpg`, width, height })),
    annotations: images.map(({ id, width, height }) => ({
      id: 1000 + id,
      image_id: id,
      category_id: 5,
      bbox: [0, 0, width / 3, height],
      area: (width / 3) * height,
      iscrowd: 0,
    })),
    categories: [{ id: 5, name: "bar" }],
  };
  await writeFile(join(folder, "annotations", "instances_train.json"), JSON.stringify(json));
  return { folder, remove: () => rm(folder, { recursive: true }) };
}

// Pictures of a run for TensorBoard: detections and routes of the same few images, epoch after epoch. Drawing is @caddet/viz's,
// making PNG of it sharp's.
import { groundTruthOf, indexByImage } from "@caddet/coco";
import { type ImageDataset, loadImage, readImageInside } from "@caddet/coco/node";
import { CaddetError } from "@caddet/core";
import { Supernet } from "@caddet/supernet";
import type { Trainer } from "@caddet/trainer";
import type { TaggedImage } from "@caddet/trainer/node";
import { routeSvg } from "@caddet/viz";
import * as tf from "@tensorflow/tfjs-core";
import sharp, { type Sharp } from "sharp";
import { annotatedImage } from "../annotated-image";
import { strideNames } from "./route-sections";

/** Options of {@link sampleImages}. */
export interface SampleImagesOptions {
  /** Where the images are, a validation set for preference; its classes are those of the run. */
  readonly dataset: ImageDataset;
  /** How many images, spread evenly over the set. Default 4. */
  readonly count?: number;
  /** Detections below are not drawn. Default 0.3. */
  readonly minScore?: number;
  /** Gets a sentence for an image that cannot be read, and is left out. Default nobody. */
  readonly warn?: (text: string) => void;
}

/** Larger pictures would only make event files grow. */
const LONGER_SIDE = 640;

async function toPng(picture: Sharp): Promise<Pick<TaggedImage, "png" | "width" | "height">> {
  const { data, info } = await picture
    .resize(LONGER_SIDE, LONGER_SIDE, { fit: "inside", withoutEnlargement: true })
    .flatten({ background: "#fff" })
    .toColourspace("srgb")
    .ensureAlpha()
    .png()
    .toBuffer({ resolveWithObject: true });
  return { png: data, width: info.width, height: info.height };
}

function evenly(count: number, of: number): number[] {
  const n = Math.min(count, of);
  return Array.from({ length: n }, (_, i) => Math.floor((i * of) / n));
}

/**
 * Draws a few images' detections and routes, for `tensorboardHook(folder, { images })`.
 *
 * @param options data set, how many images, smallest score
 * @returns a function of the run that gives PNG images tagged `detections/ID` and, of a supernet, `routes/ID`; it takes the averaged
 *   weights where the run keeps an average, and leaves no tensor behind
 * @example tensorboardHook(folder, { images: sampleImages({ dataset: await loadDataset("coco", "val") }) })
 */
export function sampleImages({
  dataset,
  count = 4,
  minScore = 0.3,
  warn = () => {},
}: SampleImagesOptions): (trainer: Trainer) => Promise<TaggedImage[]> {
  const index = indexByImage(dataset);
  const { ids, fileNames } = dataset.images;
  const rows = evenly(count, ids.length);

  const draw = async ({ detector, config: { data } }: Trainer, row: number): Promise<TaggedImage[]> => {
    const bytes = await readImageInside(dataset.imageFolder, fileNames[row]!);
    const { shorter, longer, padTo, mean, std } = data;
    const loaded = await loadImage(bytes, { shorter, longer, padTo, normalise: { mean, std } });
    const input = tf.tensor4d(loaded.images, loaded.shape);
    const { detections, gates, madds } = await detector.detect(input, [loaded.size]).finally(() => input.dispose());
    const drawing = {
      size: loaded.sourceSize,
      truth: groundTruthOf(dataset, index, row),
      found: detections[0],
      classNames: dataset.categories.names,
      minScore,
    };
    const id = ids[row]!;
    const found = { tag: `detections/${id}`, ...(await toPng(sharp(await annotatedImage(bytes, drawing)))) };
    const { backbone } = detector;
    if (!(backbone instanceof Supernet) || !gates) return [found];
    const svg = routeSvg(backbone.space, gates, {
      title: `Image ${id}`,
      threshold: backbone.routing.threshold,
      scaleLabels: strideNames(backbone),
      ...(madds ? { madds: madds[0]! } : {}),
    });
    return [found, { tag: `routes/${id}`, ...(await toPng(sharp(Buffer.from(svg)))) }];
  };

  return (trainer) =>
    trainer.withAverage(async () => {
      const all: TaggedImage[] = [];
      for (const row of rows) {
        try {
          all.push(...(await draw(trainer, row)));
        } catch (error) {
          if (!(error instanceof CaddetError)) throw error;
          warn(`Image ${ids[row]} is left out: ${error.message}`);
        }
      }
      return all;
    });
}

// Detections and annotations drawn on a few images of an evaluation.
import { groundTruthOf, type ImageIndex, indexByImage } from "@caddet/coco";
import { CaddetError } from "@caddet/core/base";
import {
  detectionsSvg,
  type FigureOptions,
  formatMadds,
  galleryHtml,
  paragraphHtml,
  type ReportSection,
} from "@caddet/viz";
import { easyAndBusy, type ImageContent } from "./route-statistics";
import type { RunEvaluation } from "./run-evaluation";
import { thumbnail } from "./thumbnails";

const MIN_SCORE = 0.3;
/** Markup of all pictures, so that a page stays below 5 MB whatever is asked for. */
const MAX_CHARACTERS = 4_000_000;
/** More would hide the picture. */
const MAX_DETECTIONS = 30;

/** Which images are shown: some of the easiest, then some of the busiest, each once. */
export function shownImages(contents: readonly ImageContent[], count: number): number[] {
  const { easy, busy } = easyAndBusy(contents);
  const half = Math.ceil(count / 2);
  const chosen = [...easy.slice(0, half), ...busy.slice(0, count - half)];
  return chosen.length > 0 ? chosen : contents.map((_, i) => i).slice(0, count);
}

async function picture(evaluation: RunEvaluation, place: number, index: ImageIndex): Promise<FigureOptions> {
  const { dataset, results, imageIds, madds } = evaluation;
  const imageId = imageIds[place]!;
  const row = dataset.images.ids.indexOf(imageId);
  const { categories } = dataset;
  const own = Array.from(results.imageIds.keys())
    .filter((n) => results.imageIds[n] === imageId && results.scores[n]! >= MIN_SCORE)
    .filter((n) => categories.ids.includes(results.categoryIds[n]!)) // saved results may know more classes
    .sort((a, b) => results.scores[b]! - results.scores[a]!)
    .slice(0, MAX_DETECTIONS);
  const { boxes, labels } = groundTruthOf(dataset, index, row);
  const html = detectionsSvg({
    imageHref: await thumbnail(dataset, row),
    width: dataset.images.widths[row]!,
    height: dataset.images.heights[row]!,
    boxes: Float32Array.from(
      own.flatMap((n) => {
        const [x, y, w, h] = results.boxes.subarray(n * 4, n * 4 + 4) as unknown as [number, number, number, number];
        return [x, y, x + w, y + h];
      }),
    ),
    labels: own.map((n) => categories.ids.indexOf(results.categoryIds[n]!)),
    scores: own.map((n) => results.scores[n]!),
    classNames: categories.names,
    truths: { boxes, labels },
    title: `Image ${imageId}`,
  });
  const cost = madds ? `, ${formatMadds(madds[place]!)} MAdds` : "";
  return { html, caption: `Image ${imageId}: ${own.length} detections, ${labels.length} annotated${cost}` };
}

/**
 * The section on detections.
 *
 * @param evaluation what was found
 * @param contents one entry an image
 * @param count most images that are shown
 * @returns pictures; an image that cannot be read is named instead
 */
export async function detectionsSection(
  evaluation: RunEvaluation,
  contents: readonly ImageContent[],
  count: number,
): Promise<ReportSection> {
  const index = indexByImage(evaluation.dataset);
  const figures: FigureOptions[] = [];
  const missing: string[] = [];
  let characters = 0;
  for (const place of shownImages(contents, count)) {
    try {
      const figure = await picture(evaluation, place, index);
      characters += figure.html.length;
      if (characters > MAX_CHARACTERS) {
        missing.push(`No more than ${figures.length} images fit on this page.`);
        break;
      }
      figures.push(figure);
    } catch (error) {
      if (!(error instanceof CaddetError)) throw error;
      missing.push(error.message);
    }
  }
  return {
    id: "detections",
    title: "Detections",
    note: `${figures.length} of ${contents.length} images, easy ones first; scores from ${MIN_SCORE}. Dotted white boxes are annotations.`,
    html: galleryHtml(figures) + missing.map(paragraphHtml).join(""),
  };
}

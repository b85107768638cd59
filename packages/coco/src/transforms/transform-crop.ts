// The random crop of SSD (Liu et al. 2016, section 2.2) as mmdetection 2.1's MinIoURandomCrop has it: a window that
// each object overlaps enough, or the whole image; objects whose centre lies outside are left out.
import { ConfigError } from "@caddet/core/base";
import { pickTruth, type Sample, type Transform } from "./sample";
import { type CropWindow, cropSample } from "./transform-frame";

/** Options of {@link minIouCrop}. */
export interface MinIouCropOptions {
  /**
   * Overlaps (IoU of window and each box), of which one is asked for, or none, or no crop at all, each as likely.
   * Default 0.1, 0.3, 0.5, 0.7, 0.9.
   */
  readonly minIous?: readonly number[];
  /** The window's sides are at least this part of the image's. Default 0.3. */
  readonly minSize?: number;
}

/** Windows that are tried before another overlap is drawn. */
const TRIALS = 50;
/** Each draw leaves the image whole with probability 1 in 7 or more; after so many, it stays whole. */
const DRAWS = 1000;

function overlap(
  [x1, y1, x2, y2]: readonly [number, number, number, number],
  { left, top, width, height }: CropWindow,
): number {
  const w = Math.max(0, Math.min(x2, left + width) - Math.max(x1, left));
  const h = Math.max(0, Math.min(y2, top + height) - Math.max(y1, top));
  return (w * h) / ((x2 - x1) * (y2 - y1) + width * height - w * h);
}

function holdsCentre(
  [x1, y1, x2, y2]: readonly [number, number, number, number],
  { left, top, width, height }: CropWindow,
): boolean {
  const [x, y] = [(x1 + x2) / 2, (y1 + y2) / 2];
  return x > left && y > top && x < left + width && y < top + height;
}

// The sample within the window, or undefined where the window does not do.
function cropped(sample: Sample, window: CropWindow, minIou: number): Sample | undefined {
  const boxes = Array.from(sample.truth.labels, (_, n) => {
    const [x1, y1, x2, y2] = sample.truth.boxes.subarray(n * 4, n * 4 + 4);
    return [x1!, y1!, x2!, y2!] as const;
  });
  if (boxes.some((box) => overlap(box, window) < minIou)) return undefined;
  const kept = [...boxes.keys()].filter((n) => holdsCentre(boxes[n]!, window));
  if (boxes.length > 0 && kept.length === 0) return undefined;
  return cropSample({ ...sample, truth: pickTruth(sample.truth, kept) }, window);
}

/**
 * Cuts out a random part that the objects overlap enough.
 *
 * @param options overlaps to ask for, and the least size
 * @returns a transform; its windows have sides between 1:2 and 2:1
 * @throws ConfigError when an overlap or the size is not within 0..1
 * @example minIouCrop({ minSize: 0.5 })
 */
export function minIouCrop({ minIous = [0.1, 0.3, 0.5, 0.7, 0.9], minSize = 0.3 }: MinIouCropOptions = {}): Transform {
  for (const iou of minIous) {
    if (!(iou >= 0 && iou <= 1)) throw new ConfigError(`An overlap is a number from 0 to 1, got ${iou}.`);
  }
  if (!(minSize > 0 && minSize <= 1)) throw new ConfigError(`minSize is a part, above 0 and up to 1, got ${minSize}.`);
  const choices = ["whole", ...minIous, 0] as const;
  return (sample, random) => {
    const { height, width } = sample.size;
    for (let draw = 0; draw < DRAWS; draw++) {
      const minIou = choices[random.int(choices.length)]!;
      if (minIou === "whole") return sample;
      for (let trial = 0; trial < TRIALS; trial++) {
        const w = width * (minSize + random.next() * (1 - minSize));
        const h = height * (minSize + random.next() * (1 - minSize));
        if (h / w < 0.5 || h / w > 2) continue;
        const x = random.next() * (width - w);
        const y = random.next() * (height - h);
        const [left, top] = [Math.floor(x), Math.floor(y)];
        const window = { left, top, width: Math.floor(x + w) - left, height: Math.floor(y + h) - top };
        if (window.width < 1 || window.height < 1) continue;
        const found = cropped(sample, window, minIou);
        if (found) return found;
      }
    }
    return sample;
  };
}

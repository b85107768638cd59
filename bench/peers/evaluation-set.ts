// A val2017-sized set for the evaluator's benchmark, made from a seed: images with a few classes each, long-tailed over 80 classes, boxes of
// COCO's mix of sizes, and detections that mix near-misses, duplicates, confused classes and background. No image is drawn.
import { createWriteStream } from "node:fs";
import { finished } from "node:stream/promises";

/** How large the set is. */
export interface EvaluationSetSize {
  readonly images: number;
  readonly boxes: number;
  readonly detections: number;
  readonly classes: number;
}

export const VAL2017: EvaluationSetSize = { images: 5000, boxes: 36_000, detections: 500_000, classes: 80 };

type Random = () => number;

// mulberry32
function seeded(seed: number): Random {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let t = Math.imul(state ^ (state >>> 15), state | 1);
    t ^= t + Math.imul(t ^ (t >>> 7), t | 61);
    return ((t ^ (t >>> 14)) >>> 0) / 2 ** 32;
  };
}

function normal(random: Random): number {
  return Math.sqrt(-2 * Math.log(1 - random())) * Math.cos(2 * Math.PI * random());
}

type Box = [number, number, number, number];

interface Thing {
  readonly label: number;
  readonly box: Box;
}

const SIDES = [
  [640, 480],
  [480, 640],
  [640, 427],
  [500, 375],
] as const;

function clip([x, y, w, h]: Box, width: number, height: number): Box {
  const left = Math.min(Math.max(x, 0), width - 2);
  const top = Math.min(Math.max(y, 0), height - 2);
  return [left, top, Math.min(Math.max(w, 1), width - left), Math.min(Math.max(h, 1), height - top)];
}

function drawBox(random: Random, width: number, height: number, near?: Box): Box {
  // Log-normal areas: about 41% of COCO's boxes are small, 34% medium, 24% large.
  const side = Math.min(Math.exp(3.8 + 1.05 * normal(random)), width * 0.95, height * 0.95);
  const stretch = Math.exp(0.4 * normal(random));
  const [w, h] = [side * stretch, side / stretch];
  if (!near) return clip([random() * (width - w), random() * (height - h), w, h], width, height);
  const scale = Math.exp(0.3 * normal(random));
  const [cx, cy] = [near[0] + normal(random) * near[2], near[1] + normal(random) * near[3]];
  return clip([cx, cy, near[2] * scale, near[3] * scale], width, height);
}

function jitter(random: Random, [x, y, w, h]: Box, spread: number, width: number, height: number): Box {
  const shifted: Box = [
    x + normal(random) * spread * w,
    y + normal(random) * spread * h,
    w * Math.exp(normal(random) * spread),
    h * Math.exp(normal(random) * spread),
  ];
  return clip(shifted, width, height);
}

/** Classes fall off as COCO's do: the first has 30% of the boxes, the last ones a few dozen. */
function classPicker(random: Random, classes: number): () => number {
  const weights = Array.from({ length: classes }, (_, k) => (k === 0 ? 0.3 : 0.7 / (k + 6) ** 0.95 / 2.1));
  const total = weights.reduce((a, b) => a + b, 0);
  return () => {
    let rest = random() * total;
    for (let k = 0; k < classes; k++) {
      rest -= weights[k]!;
      if (rest <= 0) return k;
    }
    return classes - 1;
  };
}

const cents = (v: number) => Math.round(v * 100) / 100;

/**
 * Writes an instances file and a results file.
 *
 * @param files where to
 * @param size how many of what
 * @param seed same seed, same bytes
 */
export async function writeEvaluationSet(
  files: { readonly gt: string; readonly dt: string },
  { images, boxes, detections, classes }: EvaluationSetSize = VAL2017,
  seed = 1,
): Promise<void> {
  const random = seeded(seed);
  const pick = classPicker(random, classes);
  const categoryIds = Array.from({ length: classes }, (_, k) => k + 1 + Math.floor(k / 8));
  const ids = new Set<number>();
  while (ids.size < images) ids.add(1 + Math.floor(random() * 580_000));
  const imageList: unknown[] = [];
  const annotationList: unknown[] = [];
  const out = createWriteStream(files.dt);
  let written = 0;
  let left = boxes;
  [...ids].forEach((imageId, n) => {
    const [width, height] = SIDES[Math.floor(random() * SIDES.length)]!;
    imageList.push({ id: imageId, width, height, file_name: `${String(imageId).padStart(12, "0")}.jpg` });
    const remaining = images - n;
    const wanted =
      remaining === 1 ? left : Math.min(left, Math.floor(-Math.log(1 - random()) * (left / remaining) + 0.5));
    left -= wanted;
    const palette = Array.from({ length: 1 + Math.floor(random() * 4) }, pick);
    const things: Thing[] = [];
    for (let b = 0; b < wanted; b++) {
      const near = things.length > 0 && random() < 0.4 ? things[Math.floor(random() * things.length)] : undefined;
      const label = near ? near.label : palette[Math.floor(random() * palette.length)]!;
      const box = drawBox(random, width, height, near?.box).map(cents) as Box;
      const iscrowd = random() < 0.012 ? 1 : 0;
      annotationList.push({
        id: annotationList.length + 1,
        image_id: imageId,
        category_id: categoryIds[label],
        bbox: box,
        area: cents(box[2] * box[3] * (0.5 + 0.45 * random())),
        iscrowd,
      });
      things.push({ label, box });
    }
    const target = Math.floor((detections * (n + 1)) / images) - written;
    const found: (Thing & { readonly score: number })[] = [];
    const add = (label: number, box: Box, score: number) => {
      if (found.length < target) found.push({ label, box, score: Math.min(Math.max(score, 0.001), 0.9999) });
    };
    for (const { label, box } of things) {
      if (random() < 0.12) continue;
      add(label, jitter(random, box, 0.02 + 0.09 * random(), width, height), 0.25 + 0.7 * random());
      for (let copies = Math.floor(random() * 3); copies > 0; copies--) {
        add(label, jitter(random, box, 0.12, width, height), 0.4 * random() ** 2);
      }
      if (random() < 0.3) add(pick(), jitter(random, box, 0.06, width, height), 0.35 * random());
    }
    while (found.length < target) {
      const label = palette.length > 0 && random() < 0.5 ? palette[Math.floor(random() * palette.length)]! : pick();
      add(label, drawBox(random, width, height), 0.3 * random() ** 4);
    }
    // Half of the images as detectors write float32, half rounded as COCO's server likes it.
    const digits = n % 2 === 0 ? Math.fround : cents;
    const lines = found.map(({ label, box, score }) =>
      JSON.stringify({
        image_id: imageId,
        category_id: categoryIds[label],
        bbox: box.map(digits),
        score: Math.fround(score),
      }),
    );
    written += lines.length;
    out.write(`${n === 0 ? "[" : ","}${lines.join(",")}`);
  });
  out.end("]");
  await finished(out);
  const categories = categoryIds.map((id, k) => ({ id, name: `class ${k}`, supercategory: "thing" }));
  const gt = createWriteStream(files.gt);
  gt.end(JSON.stringify({ images: imageList, annotations: annotationList, categories }));
  await finished(gt);
}

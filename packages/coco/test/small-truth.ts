// Data sets of a few 10 × 10 boxes in a row, for cases that are computed by hand.
import { type CocoDataset, parseAnnotations } from "../src/index";

/** A box `[x, 0, 10, 10]`. */
export interface SmallBox {
  readonly category: number;
  readonly x: number;
  readonly crowd?: boolean;
  readonly image?: number;
}

export function truthOf(boxes: readonly SmallBox[], images = 1, categories = 2): CocoDataset {
  return parseAnnotations(
    {
      images: Array.from({ length: images }, (_, n) => ({ id: n + 1, file_name: `${n}.jpg`, width: 500, height: 50 })),
      categories: Array.from({ length: categories }, (_, n) => ({ id: n + 1, name: `class ${n + 1}` })),
      annotations: boxes.map(({ category, x, crowd = false, image = 1 }, n) => ({
        id: n + 1,
        image_id: image,
        category_id: category,
        bbox: [x, 0, 10, 10],
        area: 100,
        iscrowd: crowd ? 1 : 0,
      })),
    },
    { file: "gt" },
  );
}

/** A detection of the same form. */
export function found(category: number, x: number, score: number, image = 1) {
  return { image_id: image, category_id: category, bbox: [x, 0, 10, 10], score };
}

// A data set back as COCO's instances file: a JSON value, or its text in pieces (https://cocodataset.org/#format-data). What the columns
// do not hold, such as polygons, licences and dates, is not written. Pure; instances-writer.ts writes it.
import type { CocoDataset } from "./dataset";

/** An image of an instances file. */
export interface InstancesImage {
  readonly id: number;
  readonly file_name: string;
  readonly width: number;
  readonly height: number;
}

/** An annotation of an instances file. */
export interface InstancesAnnotation {
  readonly id: number;
  readonly image_id: number;
  readonly category_id: number;
  /** `x, y, width, height` in source pixels. */
  readonly bbox: readonly [number, number, number, number];
  readonly area: number;
  readonly iscrowd: 0 | 1;
  /** Present where it is 1. */
  readonly ignore?: 1;
}

/** A class of an instances file. */
export interface InstancesCategory {
  readonly id: number;
  readonly name: string;
}

/** What an instances file holds. */
export interface InstancesFile {
  readonly images: readonly InstancesImage[];
  readonly annotations: readonly InstancesAnnotation[];
  readonly categories: readonly InstancesCategory[];
}

function* imagesOf({ images }: CocoDataset): Generator<InstancesImage> {
  for (const [i, id] of images.ids.entries()) {
    yield { id, file_name: images.fileNames[i]!, width: images.widths[i]!, height: images.heights[i]! };
  }
}

function* annotationsOf({ images, annotations, categories }: CocoDataset): Generator<InstancesAnnotation> {
  const { ids, imageIndex, categoryIndex, boxes, area, iscrowd, ignore } = annotations;
  for (const [row, id] of ids.entries()) {
    yield {
      id,
      image_id: images.ids[imageIndex[row]!]!,
      category_id: categories.ids[categoryIndex[row]!]!,
      bbox: [boxes[row * 4]!, boxes[row * 4 + 1]!, boxes[row * 4 + 2]!, boxes[row * 4 + 3]!],
      area: area[row]!,
      iscrowd: iscrowd[row] === 1 ? 1 : 0,
      ...(ignore[row] === 1 ? { ignore: 1 as const } : {}),
    };
  }
}

function* categoriesOf({ categories }: CocoDataset): Generator<InstancesCategory> {
  for (const [k, id] of categories.ids.entries()) yield { id, name: categories.names[k]! };
}

/**
 * A data set as the value of an instances file; `parseAnnotations` turns it back into equal columns.
 *
 * @param dataset any data set
 * @returns a value for `JSON.stringify`; for large sets {@link formatInstances} needs less memory
 * @example datasetToJson(dataset).annotations[0]?.bbox
 */
export function datasetToJson(dataset: CocoDataset): InstancesFile {
  return {
    images: [...imagesOf(dataset)],
    annotations: [...annotationsOf(dataset)],
    categories: [...categoriesOf(dataset)],
  };
}

// Text is handed on in pieces of about this many characters.
const PIECE = 1 << 16;

function* list(name: string, entries: Iterable<unknown>): Generator<string> {
  let text = `"${name}":[`;
  let comma = "";
  for (const entry of entries) {
    text += comma + JSON.stringify(entry);
    comma = ",";
    if (text.length < PIECE) continue;
    yield text;
    text = "";
  }
  yield `${text}]`;
}

/**
 * The text of an instances file, without white space.
 *
 * @param dataset any data set
 * @returns pieces of text, so that no string holds a whole file
 * @example [...formatInstances(dataset)].join("")
 */
export function* formatInstances(dataset: CocoDataset): Generator<string, void, undefined> {
  yield "{";
  yield* list("images", imagesOf(dataset));
  yield ",";
  yield* list("annotations", annotationsOf(dataset));
  yield ",";
  yield* list("categories", categoriesOf(dataset));
  yield "}";
}

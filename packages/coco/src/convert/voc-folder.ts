// Reads a data set in Pascal VOC's layout: Annotations/*.xml and JPEGImages/. Needs Node. Segmentations, poses and parts are not read.
import { availableParallelism } from "node:os";
import { join } from "node:path";
import { DatasetError, type Size } from "@caddet/core/base";
import { mapConcurrently } from "../check/concurrent";
import { listFiles, readTextInside, realFolder } from "../check/folder-files";
import type { ImageDataset } from "../dataset/files";
import { isSafePath } from "../dataset/safe-path";
import { readImageInside, readSize } from "../images/image-file";
import { type ConvertedImage, convertedDataset } from "./converted-dataset";
import { type VocAnnotation, vocReader } from "./voc-annotation";

/** Options of {@link readVocFolder}. */
export interface ReadVocOptions {
  /** The class names in the order of their ids; default: those that occur, sorted. */
  readonly names?: readonly string[];
  /** A list of ImageSets/Main, e.g. "trainval"; default: all annotation files. */
  readonly split?: string;
}

interface VocFile extends VocAnnotation {
  readonly file: string;
}

const MAX_XML_BYTES = 10_000_000;
const MAX_LIST_BYTES = 100_000_000;

// The annotation files of a split: the first word of each line names one.
async function annotationFiles(root: string, folder: string, split: string | undefined): Promise<string[]> {
  if (split === undefined) return (await listFiles(folder)).filter((file) => file.endsWith(".xml"));
  if (!/^[\w-]+$/.test(split)) {
    throw new DatasetError(`A split is named by letters, digits, "_" and "-", got ${JSON.stringify(split)}.`, {
      split,
    });
  }
  const list = join("ImageSets", "Main", `${split}.txt`);
  const text = await readTextInside(root, list, MAX_LIST_BYTES);
  if (text === undefined) throw new DatasetError(`${join(root, list)}: no such list. Check the split.`, { split });
  return text.split(/\r\n|\n|\r/).flatMap((line, n) => {
    const name = line.trim().split(/\s+/)[0]!;
    if (name === "") return [];
    if (isSafePath(name)) return [`${name}.xml`];
    throw new DatasetError(`${join(root, list)}:${n + 1}: ${JSON.stringify(name)} leaves the folder.`, { line: n + 1 });
  });
}

function labelsOf(files: readonly VocFile[], names: readonly string[] | undefined): ReadonlyMap<string, number> {
  if (names) return new Map(names.map((name, k) => [name, k]));
  const found = new Set(files.flatMap(({ objects }) => objects.map(({ name }) => name)));
  return new Map([...found].sort((a, b) => (a < b ? -1 : 1)).map((name, k) => [name, k]));
}

function convertedImage(file: VocFile, size: Size, labels: ReadonlyMap<string, number>): ConvertedImage {
  const objects = file.objects.map(({ name, box, difficult }, n) => {
    const label = labels.get(name);
    const where = `${file.file}: object ${n + 1}`;
    if (label === undefined) {
      throw new DatasetError(`${where} is of the class ${JSON.stringify(name)}, which is not among the names.`, {
        file: file.file,
      });
    }
    const [x, y, w, h] = box;
    const inside = x >= -1 && y >= -1 && x + w <= size.width + 1 && y + h <= size.height + 1;
    if (!inside || x >= size.width || y >= size.height || x + w <= 0 || y + h <= 0) {
      throw new DatasetError(`${where} lies outside its ${size.width} × ${size.height} image.`, { file: file.file });
    }
    return { label, box, ignore: difficult };
  });
  return { fileName: file.fileName!, width: size.width, height: size.height, objects };
}

/**
 * Reads a Pascal VOC data set.
 *
 * VOC's pixels count from 1 and its far edges belong to the box: (xmin, ymin, xmax, ymax) becomes
 * `[xmin - 1, ymin - 1, xmax - xmin + 1, ymax - ymin + 1]`. Difficult objects get `ignore`, which the evaluator does not look at and
 * `filterForTraining` leaves out. Sizes come from the XML, or from the image's header where the XML has none.
 *
 * @param folder the data set: `Annotations/*.xml`, `JPEGImages/`, for a split `ImageSets/Main/SPLIT.txt`
 * @param options class names (default those that occur, sorted) and split (default all files)
 * @returns boxes in pixels; file names relative to `JPEGImages/`
 * @throws DatasetError with file and line at the first XML that is not well-formed or lacks something, and at file names or links that
 *   leave the folder
 * @example await writeInstances("instances_trainval.json", await readVocFolder("VOCdevkit/VOC2007", { split: "trainval" }))
 */
export async function readVocFolder(folder: string, { names, split }: ReadVocOptions = {}): Promise<ImageDataset> {
  const root = await realFolder(folder);
  const xmlFolder = await realFolder(join(root, "Annotations"));
  const imageFolder = await realFolder(join(root, "JPEGImages"));
  const read = await vocReader();
  const listed = await annotationFiles(root, xmlFolder, split);
  const files = await mapConcurrently(listed, availableParallelism(), async (name): Promise<VocFile> => {
    const file = join(xmlFolder, name);
    const text = await readTextInside(xmlFolder, name, MAX_XML_BYTES);
    if (text === undefined) throw new DatasetError(`${file}: no such annotation file. Check the list.`, { file });
    const annotation = read(text, file);
    const fileName = annotation.fileName ?? name.replace(/\.xml$/, ".jpg");
    if (!isSafePath(fileName)) {
      throw new DatasetError(`${file}: the <filename> ${JSON.stringify(fileName)} leaves the folder.`, { file });
    }
    return { ...annotation, file, fileName };
  });
  const labels = labelsOf(files, names);
  const images = await mapConcurrently(files, availableParallelism(), async (file) => {
    const name = file.fileName!;
    const size = file.size ?? (await readSize(await readImageInside(imageFolder, name), join(imageFolder, name)));
    return convertedImage(file, size, labels);
  });
  return { ...convertedDataset(root, images, [...labels.keys()]), imageFolder };
}

// Checks a COCO data set on disk: annotations, image files, and what fits whom. It only reads. Needs Node.
import { createHash } from "node:crypto";
import { availableParallelism } from "node:os";
import { join, posix } from "node:path";
import { CaddetError, ConfigError } from "@caddet/core/base";
import type { CocoDataset } from "../dataset/dataset";
import { loadAnnotations } from "../dataset/files";
import type { SkippedEntry } from "../dataset/skips";
import { findSplits, splitPaths } from "../dataset/splits";
import { decodeImage, ImageFileError, prepareSharp, readImageInside, readSize } from "../images/image-file";
import { formatOfBytes, formatOfName } from "../images/image-format";
import { checkAnnotations } from "./check-annotations";
import { createLedger, type Finding, type FindingCount, type Ledger } from "./check-findings";
import { mapConcurrently } from "./concurrent";
import { listFiles, realFolder } from "./folder-files";

/** Options of {@link checkDataset}. */
export interface CheckOptions {
  /** Default: each `annotations/instances_SPLIT.json` that is there. */
  readonly splits?: readonly string[];
  /**
   * How far images are looked at: "decode" (default) decodes each one whole, "header" reads its size, false opens none. Both of the
   * former read every byte, to find files that are equal.
   */
  readonly images?: "decode" | "header" | false;
  /** Most findings that are kept of a reason and a split; all are counted. Default 100. */
  readonly examples?: number;
  /** Images in work at a time. Default the machine's threads. */
  readonly concurrency?: number;
  /** Called after each image. */
  readonly onProgress?: (checked: number, total: number) => void;
}

/** What a split has. */
export interface SplitSummary {
  readonly split: string;
  readonly images: number;
  readonly annotations: number;
  readonly classes: number;
}

/** What a check found. */
export interface CheckReport {
  readonly folder: string;
  readonly splits: readonly SplitSummary[];
  readonly errors: number;
  readonly warnings: number;
  readonly information: number;
  /** How often each reason occurred: errors first, then by number. */
  readonly counts: readonly FindingCount[];
  /** At most `examples` of each reason and split. */
  readonly findings: readonly Finding[];
}

// Images are decoded to about this size; the decoder reads all of the file for it.
const DECODED = { shorter: 64, longer: 128 };

interface Context {
  readonly ledger: Ledger;
  /** Where each content was seen first: split and file, by hash. */
  readonly seen: Map<string, string>;
  /** Whether images are opened at all. */
  readonly open: boolean;
  readonly decode: boolean;
  readonly concurrency: number;
  readonly onProgress: (checked: number, total: number) => void;
}

interface ReadSplit {
  readonly dataset: CocoDataset;
  /** File names of all images, those that were left out as well, without "./" and the like. */
  readonly files: ReadonlySet<string>;
}

async function readAnnotations(file: string, split: string, ledger: Ledger): Promise<ReadSplit | undefined> {
  const leftOut: string[] = [];
  const number = (value: unknown) => (typeof value === "number" ? value : undefined);
  const onSkip = ({ reason, message, details }: SkippedEntry) => {
    const ids = { imageId: number(details.imageId), annotationId: number(details.annotationId) };
    ledger.add({ reason, split, message, file, ...ids });
    if (typeof details.fileName === "string") leftOut.push(details.fileName);
  };
  try {
    const dataset = await loadAnnotations(file, { onBadEntry: "skip", onSkip });
    return { dataset, files: new Set([...dataset.images.fileNames, ...leftOut].map(posix.normalize)) };
  } catch (error) {
    if (!(error instanceof CaddetError)) throw error;
    ledger.add({ reason: "annotations-unreadable", split, message: error.message, file });
    return undefined;
  }
}

type ImageFinding = Pick<Finding, "reason" | "message">;

interface CheckedImage {
  readonly findings: readonly ImageFinding[];
  /** Of the file's bytes; undefined where they could not be read. */
  readonly hash: string | undefined;
}

async function checkImage(folder: string, { images }: CocoDataset, i: number, decode: boolean): Promise<CheckedImage> {
  const file = images.fileNames[i]!;
  const expected = { width: images.widths[i]!, height: images.heights[i]! };
  const findings: ImageFinding[] = [];
  let hash: string | undefined;
  try {
    const bytes = await readImageInside(folder, file);
    hash = createHash("sha256").update(bytes).digest("base64");
    const [promised, found] = [formatOfName(file), formatOfBytes(bytes)];
    if (promised && found && promised !== found) {
      findings.push({ reason: "format-mismatch", message: `${file} is a ${found} file by its content` });
    }
    if (decode) {
      await decodeImage(bytes, { file: join(folder, file), target: DECODED, expected });
      return { findings, hash };
    }
    const { width, height } = await readSize(bytes, join(folder, file));
    if (width !== expected.width || height !== expected.height) {
      const message = `${join(folder, file)}: is ${width} × ${height}, the annotations say ${expected.width} × ${expected.height}`;
      findings.push({ reason: "size-mismatch", message });
    }
  } catch (error) {
    if (!(error instanceof ImageFileError)) throw error;
    findings.push({ reason: error.reason, message: error.message });
  }
  return { findings, hash };
}

async function checkImages(folder: string, dataset: CocoDataset, split: string, context: Context): Promise<void> {
  const { ledger, seen, concurrency, decode, onProgress } = context;
  const { fileNames, ids } = dataset.images;
  // A file that is named twice is looked at once.
  const rows = [...new Map(fileNames.map((name, i) => [name, i] as const)).values()];
  let done = 0;
  const checked = await mapConcurrently(rows, concurrency, async (i) => {
    const result = await checkImage(folder, dataset, i, decode);
    onProgress(++done, rows.length);
    return result;
  });
  // In the file's order, whichever image was ready first.
  checked.forEach(({ findings, hash }, n) => {
    const file = fileNames[rows[n]!]!;
    const place = { split, file, imageId: ids[rows[n]!]! };
    for (const finding of findings) ledger.add({ ...place, ...finding });
    if (hash === undefined) return;
    const other = seen.get(hash);
    if (other === undefined) seen.set(hash, `${split}/${file}`);
    else
      ledger.add({ ...place, reason: "image-duplicate", message: `${split}/${file} has the same bytes as ${other}` });
  });
}

async function checkOrphans(folder: string, known: ReadonlySet<string>, split: string, ledger: Ledger): Promise<void> {
  for (const file of await listFiles(folder)) {
    if (known.has(file) || formatOfName(file) === undefined) continue;
    ledger.add({ reason: "orphan-image", split, message: `${file} is in no entry of the annotations`, file });
  }
}

async function checkSplit(folder: string, split: string, context: Context): Promise<SplitSummary> {
  const { ledger } = context;
  const paths = await splitPaths(folder, split);
  const read = await readAnnotations(paths.annotations, split, ledger);
  if (!read) return { split, images: 0, annotations: 0, classes: 0 };
  const { dataset, files } = read;
  const { images, annotations, categories } = dataset;
  checkAnnotations(dataset, split, ledger);
  if (context.open) {
    const path = paths.images;
    const imageFolder = await realFolder(path).catch(() => undefined);
    if (imageFolder === undefined) {
      ledger.add({ reason: "missing-folder", split, message: `no folder ${path} with the split's images`, file: path });
    } else {
      await checkImages(imageFolder, dataset, split, context);
      await checkOrphans(imageFolder, files, split, ledger);
    }
  }
  return { split, images: images.ids.length, annotations: annotations.ids.length, classes: categories.ids.length };
}

/**
 * Checks a data set on disk.
 *
 * Errors are entries that training or evaluation would leave out or stumble over: annotations that cannot be read, wrong ids, sizes and
 * boxes, unknown images and classes, images that are missing, broken, cut, empty, of another size or outside the folder. Warnings are
 * suspicious: equal images (within and across splits), a format that its name denies, images without an entry, negative ids, classes
 * without boxes. Information: crowds, images without annotations, classes with fewer than ten boxes.
 *
 * @param folder the data set: `annotations/instances_SPLIT.json` and `SPLIT/`, or the same with `SPLIT2017`
 * @param options splits (default all), how far images are looked at (default "decode"), examples (100), concurrency
 * @returns numbers by reason and examples; every finding is counted
 * @throws DatasetError when the folder has no annotations at all; ConfigError on a wrong option
 * @example (await checkDataset("data/coco", { images: "header" })).errors
 */
export async function checkDataset(
  folder: string,
  { splits, images = "decode", examples = 100, concurrency = availableParallelism(), onProgress }: CheckOptions = {},
): Promise<CheckReport> {
  for (const [name, value] of Object.entries({ examples, concurrency })) {
    if (!Number.isSafeInteger(value) || value < 1) throw new ConfigError(`${name} is an integer from 1, got ${value}.`);
  }
  const root = await realFolder(folder);
  prepareSharp();
  const ledger = createLedger(examples);
  const context: Context = {
    ledger,
    seen: new Map(),
    open: images !== false,
    decode: images === "decode",
    concurrency,
    onProgress: onProgress ?? (() => {}),
  };
  const summaries: SplitSummary[] = [];
  for (const split of splits ?? (await findSplits(root))) summaries.push(await checkSplit(root, split, context));
  const counts = ledger.counts();
  const total = (severity: Finding["severity"]) =>
    counts.reduce((sum, entry) => sum + (entry.severity === severity ? entry.count : 0), 0);
  return {
    folder: root,
    splits: summaries,
    errors: total("error"),
    warnings: total("warning"),
    information: total("information"),
    counts,
    findings: ledger.findings(),
  };
}

// `caddet detect`: boxes in images, in their own pixels, and what they cost. Images come from files, folders, globs, videos or stdin; one
// that cannot be used is named and counted, and the next one follows.
import { join } from "node:path";
import { CaddetError, DatasetError } from "@caddet/core";
import type { ImageSource, InferenceResult } from "@caddet/inferencer";
import type { BackendName } from "@caddet/runtime/node";
import { spreadOf } from "@caddet/trainer";
import { BUNDLED_MODEL, bundledModelNote } from "../bundled-model";
import { type DetectItem, detectItems, fileItem, isCountable } from "../detect-inputs";
import {
  checkNotInside,
  collectResults,
  fileNames,
  type ResultsCollector,
  writableFolder,
  writeDrawing,
  writeRoute,
} from "../detect-outputs";
import { columns, type Output, plain } from "../output";
import { createProgressBar, type ProgressBar } from "../progress-bar";
import { type ReadyDetector, startDetector } from "../ready-detector";
import { type RouteSpace, readRouteSpace } from "../route-space";
import { readRunFile } from "../run-file";
import { type StopWatch, watchSignals } from "../stop-signal";
import { createTaskLimit, type TaskLimit } from "../task-limit";

/** Options of the command. */
export interface DetectOptions {
  readonly run: string;
  /** One image, whose failure is that of the command. */
  readonly image?: string;
  readonly threshold?: number;
  readonly max: number;
  readonly engine: "auto" | "tfjs" | "onnx";
  readonly backend: BackendName | "auto";
  readonly threads?: number;
  readonly batch?: number;
  readonly recursive: boolean;
  readonly list: boolean;
  readonly fps?: number;
  readonly out?: string;
  readonly routes?: string;
  readonly results?: string;
  readonly annotations?: string;
  readonly strict: boolean;
  readonly json: boolean;
}

// Drawings and routes that may be in work at once; each holds a decoded image.
const DRAWINGS = 4;

const defaultThreshold = (run: string) => (run === BUNDLED_MODEL.path ? BUNDLED_MODEL.metrics.threshold : 0.3);

/** What is wrong with a call, in words; undefined for a right one. */
export function detectFault(inputs: readonly string[], options: DetectOptions): string | undefined {
  const { image, list, annotations, results } = options;
  if (image !== undefined && inputs.length > 0) return "--image takes the place of inputs; give one of them.";
  if (image === undefined && inputs.length === 0) {
    return "nothing to look at; name files, folders, globs, videos, or - for stdin.";
  }
  if (inputs.filter((input) => input === "-").length > 1) return "stdin (-) can be read once.";
  if (list && !inputs.includes("-")) return "--list is about stdin; give - as an input.";
  if (annotations !== undefined && results === undefined) return "--annotations is about --results FILE.";
  return undefined;
}

/** An image that is open. */
interface Opened extends ImageSource {
  readonly item: DetectItem;
  /** In a results file. */
  readonly imageId: number | undefined;
}

/** Everything that a run of the command has open. */
interface Session extends ReadyDetector {
  readonly options: DetectOptions;
  readonly output: Output;
  readonly watch: StopWatch;
  readonly bar: ProgressBar;
  readonly drawing: TaskLimit;
  readonly out: string | undefined;
  readonly routes: { readonly folder: string; readonly space: RouteSpace } | undefined;
  readonly results: ResultsCollector | undefined;
  readonly failed: { count: number };
}

function fail({ options, output, bar, failed }: Session, name: string, error: unknown): void {
  // One image of its own has no others that could go on, and a fault of the program is none of an image.
  if (options.image !== undefined || !(error instanceof CaddetError)) throw error;
  failed.count++;
  bar.clear();
  output.note(`not detected: ${plain(name)}: ${plain(error.message)}\n`);
  if (options.json) output.json({ image: name, error: error.message });
}

async function* opened(inputs: readonly string[], session: Session): AsyncGenerator<Opened> {
  const { options, out, watch, bar, output } = session;
  const { recursive, list, fps } = options;
  let skipped = 0;
  const items = detectItems(inputs, {
    recursive,
    list,
    signal: watch.signal,
    stdin: process.stdin,
    onFailure: (name, error) => fail(session, name, error),
    onSkip: () => skipped++,
    ...(fps === undefined ? {} : { fps }),
  });
  let position = 0;
  for await (const item of options.image === undefined ? items : [fileItem(options.image)]) {
    if (out !== undefined && item.path !== undefined) await checkNotInside(out, item.path);
    try {
      const imageId = session.results?.idOf(item, position);
      const source = await item.open();
      const { height, width } = source;
      yield { height, width, render: (size) => source.render(size), item, imageId };
    } catch (error) {
      fail(session, item.name, error);
    }
    position++;
  }
  if (skipped === 0) return;
  bar.clear();
  output.note(`${skipped} files in folders are no images and were left out\n`);
}

const cost = ({ madds, ms }: InferenceResult) =>
  `${madds === undefined ? "" : `${(madds / 1e6).toFixed(1)} M MAdds, `}${ms.toFixed(0)} ms`;

function print(
  session: Session,
  { item, imageId }: Opened,
  result: InferenceResult,
  written: Readonly<Record<string, string>>,
): void {
  const { options, output, backend, device, bar } = session;
  const { objects, source, input, madds, openPaths, ms } = result;
  bar.clear();
  if (options.json) {
    output.json({
      image: item.name,
      ...(imageId === undefined ? {} : { imageId }),
      ...item.frame,
      width: source.width,
      height: source.height,
      detections: objects,
      input,
      madds: madds ?? null,
      openPaths: openPaths ?? null,
      ms,
      ...(options.image === undefined ? {} : { backend }),
      ...written,
    });
    return;
  }
  const rows = objects.map(({ label, score, box }) => [
    plain(label),
    score.toFixed(2),
    ...box.map((v) => v.toFixed(0)),
  ]);
  if (options.image !== undefined) {
    output.text(rows.length > 0 ? columns([["label", "score", "x1", "y1", "x2", "y2"], ...rows]) : "nothing found\n");
    output.text(`${cost(result)} on ${backend ?? device}\n`);
    return;
  }
  const count = rows.length === 0 ? "nothing found" : `${rows.length} object${rows.length > 1 ? "s" : ""}`;
  output.text(`${plain(item.name)}: ${count}, ${cost(result)}\n${columns(rows)}`);
}

function median(values: readonly number[]): number | null {
  const sorted = [...values].sort((a, b) => a - b);
  return sorted[sorted.length >> 1] ?? null;
}

interface Totals {
  readonly ms: number[];
  readonly madds: number[];
}

function printSummary({ options, output, failed, inferencer, device, backend }: Session, { ms, madds }: Totals): void {
  const spread = madds.length > 0 ? spreadOf(madds) : null;
  const middle = median(ms);
  const { engine } = inferencer;
  if (options.json) {
    output.json({
      images: ms.length,
      failed: failed.count,
      ms: { median: middle },
      madds: spread,
      engine,
      device,
      backend,
    });
    return;
  }
  output.text(`${ms.length} image${ms.length === 1 ? "" : "s"}${failed.count > 0 ? `, ${failed.count} failed` : ""}`);
  output.text(middle === null ? "\n" : `; ${middle.toFixed(0)} ms an image (median) on ${backend ?? device}\n`);
  if (!spread) return;
  const [mean, min, max, std] = [spread.mean, spread.min, spread.max, spread.std].map((v) => (v / 1e6).toFixed(1));
  output.text(`blocks and paths, M MAdds: mean ${mean}, min ${min}, max ${max}, std ${std}\n`);
}

// What one image is written to, beside its detections.
async function write(session: Session, source: Opened, result: InferenceResult, name: ReturnType<typeof fileNames>) {
  const { out, routes, drawing, inferencer } = session;
  const { item } = source;
  const found = { item, source, result };
  const picture = out && join(out, name(item.baseName, ".jpg"));
  const route = routes && join(routes.folder, name(item.baseName, ".svg"));
  if (picture) {
    await drawing.add(() =>
      writeDrawing(found, picture, inferencer.classes).catch((error) => {
        if (!(error instanceof DatasetError)) throw error;
        fail(session, item.name, error);
      }),
    );
  }
  if (route) await drawing.add(() => writeRoute(found, route, routes.space));
  return { ...(picture ? { drawing: picture } : {}), ...(route ? { route } : {}) };
}

async function detectAll(
  inputs: readonly string[],
  session: Session,
  totals: Totals,
  total: number | undefined,
): Promise<void> {
  const { options, inferencer, watch, results, failed, bar, drawing } = session;
  const name = fileNames();
  const found = inferencer.detectEach(opened(inputs, session), {
    threshold: options.threshold ?? defaultThreshold(options.run),
    maxDetections: options.max,
    signal: watch.signal,
    onError: (error, _, image) => fail(session, (image as Opened).item.name, error),
  });
  try {
    for await (const { index: _, image, ...result } of found) {
      const source = image as Opened;
      if (source.imageId !== undefined) results?.add(source.imageId, result.objects);
      const written = await write(session, source, result, name);
      totals.ms.push(result.ms);
      if (result.madds !== undefined) totals.madds.push(result.madds);
      print(session, source, result, written);
      if (total !== 1) bar.update(totals.ms.length + failed.count);
    }
  } catch (error) {
    if (!watch.signal.aborted) throw error;
  } finally {
    bar.clear();
    await drawing.drain();
  }
}

async function countImages(
  inputs: readonly string[],
  options: DetectOptions,
  signal: AbortSignal,
): Promise<number | undefined> {
  if (!isCountable(inputs)) return undefined;
  let count = 0;
  const ignore = () => {};
  const { recursive } = options;
  const items = detectItems(inputs, {
    recursive,
    list: false,
    signal,
    stdin: process.stdin,
    onFailure: () => count++,
    onSkip: ignore,
  });
  for await (const _ of items) count++;
  return count;
}

/**
 * Detects and prints.
 *
 * @param inputs what to look at; nothing with `--image`
 * @returns the exit code: 0, or 130 or 143 after a signal
 * @throws DatasetError when no image could be used, or with `--strict` one could not
 */
export async function detect(inputs: readonly string[], options: DetectOptions, output: Output): Promise<number> {
  const run = await readRunFile(options.run);
  const bundled = bundledModelNote(options.run);
  if (bundled) output.note(bundled);
  const out = options.out === undefined ? undefined : await writableFolder(options.out, "--out");
  const routes =
    options.routes === undefined
      ? undefined
      : { folder: await writableFolder(options.routes, "--routes"), space: await readRouteSpace(run) };
  const results =
    options.results === undefined ? undefined : await collectResults(options.results, options.annotations);
  const watch = watchSignals(() => output.note("\nstopping; a second signal ends at once\n"));
  try {
    const total = options.image === undefined ? await countImages(inputs, options, watch.signal) : 1;
    const bar = createProgressBar(output.progress, { unit: "images", ...(total === undefined ? {} : { total }) });
    const ready = await startDetector(run, options);
    const totals: Totals = { ms: [], madds: [] };
    const failed = { count: 0 };
    const drawing = createTaskLimit(DRAWINGS);
    const session: Session = { ...ready, options, output, watch, bar, drawing, out, routes, results, failed };
    try {
      await detectAll(inputs, session, totals, total);
    } finally {
      await ready.inferencer.close();
    }
    await results?.write();
    if (options.image === undefined) printSummary(session, totals);
    if (watch.signal.aborted) return watch.exitCode();
    if (failed.count > 0 && totals.ms.length === 0) {
      throw new DatasetError(`None of the images could be used (${failed.count} failed). The lines above say why.`);
    }
    if (failed.count > 0 && options.strict) {
      throw new DatasetError(`${failed.count} images failed, and --strict was given. The lines above say why.`);
    }
    return 0;
  } finally {
    watch.dispose();
  }
}

// `caddet report`: a run's report as one HTML file that opens offline.
import { basename, join } from "node:path";
import { type ImageDataset, loadDataset } from "@caddet/coco/node";
import { CheckpointError, ConfigError } from "@caddet/core";
import { readDetectorFile } from "@caddet/detector";
import { type BackendName, prepareBackend } from "@caddet/runtime/node";
import { bestCheckpoint, listCheckpoints, readRunConfig, runFolder, writeFileAtomic } from "@caddet/trainer/node";
import { loadModel } from "../model-file";
import { type Output, plain } from "../output";
import { evaluateRun, type RunEvaluation, readSavedEvaluation } from "../report/run-evaluation";
import { runReport } from "../report/run-report";
import { readTrainingLog } from "../report/training-log";
import { type RouteSpace, readRouteSpace } from "../route-space";
import { type RunFile, readRunFile } from "../run-file";
import { skipText } from "../skip-text";

/** Options of the command. */
export interface ReportCommandOptions {
  readonly run: string;
  readonly data?: string;
  readonly split: string;
  readonly limit?: number;
  readonly results?: string;
  readonly gates?: string;
  readonly images: number;
  readonly out?: string;
  readonly backend: BackendName | "auto";
  readonly json: boolean;
}

interface Chosen extends RunFile {
  /** In words. */
  readonly name: string;
}

// The best checkpoint where the run keeps one, else the newest; none is no error, a run may be young.
async function chooseCheckpoint(run: string): Promise<Chosen | undefined> {
  const folder = runFolder(run);
  const [newest] = await listCheckpoints(folder);
  if (!newest) return undefined;
  const best = await bestCheckpoint(folder);
  const chosen = best ?? newest;
  const name = `${basename(chosen.file)}, ${best ? `the best (${best.value})` : "the newest"}`;
  return { ...(await readRunFile(chosen.file)), name };
}

async function openDataset({ data, split }: ReportCommandOptions, output: Output): Promise<ImageDataset> {
  const dataset = await loadDataset(data!, split, { onBadEntry: "keep" });
  const leftOut = skipText(dataset.skipped);
  if (leftOut) output.note(`left out of ${dataset.file}: ${leftOut}\n`);
  return dataset;
}

async function evaluation(
  options: ReportCommandOptions,
  checkpoint: Chosen | undefined,
  output: Output,
): Promise<RunEvaluation> {
  const { results, gates, limit } = options;
  const dataset = await openDataset(options, output);
  const backend = await prepareBackend({ backend: options.backend }); // similarities are computed with it, too
  const bounds = limit === undefined ? {} : { limit };
  if (results !== undefined) {
    return readSavedEvaluation({ dataset, results, ...(gates === undefined ? {} : { gates }), ...bounds });
  }
  if (!checkpoint) throw new CheckpointError(`${options.run} has no checkpoint to evaluate.`, { run: options.run });
  const model = await loadModel(checkpoint.file);
  try {
    const device = `${backend.name} (${backend.device})`;
    return await evaluateRun({ model, dataset, device, ...bounds }, output);
  } finally {
    model.detector.dispose();
  }
}

function checkOptions({ data, results, gates }: ReportCommandOptions): void {
  if (results !== undefined && data === undefined) {
    throw new ConfigError("--results needs --data: detections are judged by a data set's annotations.");
  }
  if (gates !== undefined && results === undefined) {
    throw new ConfigError("--gates needs --results: routes are shown beside the detections of the same evaluation.");
  }
}

function nameIn({ categories }: ImageDataset, id: number): string | undefined {
  return categories.names[categories.ids.indexOf(id)];
}

// What the run's own files cannot give is a remark on the page; what the caller named and is wrong ends the command.
const isCheckpointFault = (error: unknown): error is CheckpointError => error instanceof CheckpointError;

async function routeSpace(checkpoint: Chosen): Promise<RouteSpace | undefined> {
  const { model } = readDetectorFile(checkpoint.bytes, checkpoint.file);
  const type = (model as { backbone?: { type?: unknown } } | undefined)?.backbone?.type;
  return type === undefined || type === "supernet" ? readRouteSpace(checkpoint) : undefined;
}

/** Writes the report and says where it is. */
export async function report(options: ReportCommandOptions, output: Output): Promise<void> {
  checkOptions(options);
  const folder = runFolder(options.run);
  const config = await readRunConfig(folder);
  const log = await readTrainingLog(folder);
  const remarks: string[] = [];
  const remark = (text: string) => {
    remarks.push(text);
    output.note(`${text}\n`);
  };
  const orRemark = async <T>(what: () => Promise<T>): Promise<T | undefined> => {
    try {
      return await what();
    } catch (error) {
      if (!isCheckpointFault(error)) throw error;
      remark(error.message);
      return undefined;
    }
  };
  const checkpoint = await orRemark(() => chooseCheckpoint(options.run));
  const classes = checkpoint
    ? await orRemark(async () => readDetectorFile(checkpoint.bytes, checkpoint.file).classes)
    : undefined;
  const route = checkpoint && classes ? await orRemark(() => routeSpace(checkpoint)) : undefined;
  const found = options.data === undefined ? undefined : await orRemark(() => evaluation(options, checkpoint, output));
  if (options.data === undefined) {
    remark("This run was not evaluated for this report: accuracy, routes and detections are missing. Add --data DIR.");
  }
  const renamed = found && classes ? classes.filter(({ id, name }) => nameIn(found.dataset, id) !== name) : [];
  if (renamed.length > 0) {
    const { id, name } = renamed[0]!;
    remark(
      `${renamed.length} of the run's ${classes!.length} classes are others in ${found!.dataset.file}, such as ${id}, here ` +
        `"${plain(name)}", there ${JSON.stringify(nameIn(found!.dataset, id) ?? null)}. Names on this page are the data set's.`,
    );
  }
  const fits = !found?.gates || !route || found.gates.length === found.imageIds.length * route.space.paths.length;
  if (!fits) remark("The saved routes are not of this run's network, and are left out.");
  else if (found && !found.gates) {
    remark(
      route && options.results !== undefined
        ? "Saved detections come without routes: cost and routes are missing. Add --gates FILE, or leave --results out."
        : "The network is static: there are no routes.",
    );
  }
  const file = options.out ?? join(folder.path, "report.html");
  const html = await runReport({
    run: options.run,
    config,
    log,
    classes: classes ?? [],
    images: options.images,
    remarks,
    ...(checkpoint ? { checkpoint: checkpoint.name } : {}),
    ...(found ? { evaluation: found } : {}),
    ...(route && fits ? { route } : {}),
  });
  await writeFileAtomic(file, html);
  const bytes = Buffer.byteLength(html);
  const ap = found ? found.coco.stats[0]! : null;
  if (options.json) {
    output.json({ report: file, bytes, step: log.lastStep, images: found?.imageIds.length ?? null, ap, remarks });
  } else output.text(`${file} (${(bytes / 1e6).toFixed(2)} MB)\n`);
}

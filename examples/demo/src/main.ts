// The whole of CADDet on one page: draws scenes, trains with all losses, evaluates on held-out scenes with the routed detector, and
// writes a report. Usage: npm run demo -- [--seed 0] [--steps N] [--train IMAGES] [--val IMAGES] [--out DIR] [--backend wasm]. Its last line is JSON.
import { mkdir, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { parseArgs } from "node:util";
import { filterForTraining } from "@caddet/coco";
import { createLoader, loadDataset } from "@caddet/coco/node";
import { createRandom } from "@caddet/core";
import { buildDetector } from "@caddet/detector";
import { type BackendName, prepareBackend } from "@caddet/runtime/node";
import { createTrainer, evaluateDetector, type StepRecord, spreadOf } from "@caddet/trainer";
import { checkpointHook, metricsHook, progressHook, runFolder, writeFileAtomic } from "@caddet/trainer/node";
import { demoConfig } from "./config";
import { parts } from "./parts";
import { buildReport } from "./report";
import { drawScenes } from "./scenes";

const { values: args } = parseArgs({
  options: {
    seed: { type: "string", default: "0" },
    steps: { type: "string", default: "1400" },
    train: { type: "string", default: "1600" },
    val: { type: "string", default: "200" },
    out: { type: "string", default: "runs/demo" },
    backend: { type: "string", default: "auto" },
  },
});
const started = performance.now();
const say = (text: string) => process.stderr.write(`${text}\n`);
const seed = Number(args.seed);
const config = demoConfig(seed, Number(args.steps));
const folder = runFolder(args.out);
await rm(folder.path, { recursive: true, force: true });
await mkdir(folder.path, { recursive: true });

say("drawing scenes");
const scenes = join(folder.path, "scenes");
await drawScenes({ out: scenes, seed, train: Number(args.train), val: Number(args.val), width: 432, height: 324 });
const trainSet = filterForTraining(await loadDataset(scenes, "train"));
const valSet = await loadDataset(scenes, "val");
const classes = valSet.categories.names.map((name, i) => ({ id: valSet.categories.ids[i]!, name }));

const backend = await prepareBackend({ backend: args.backend as BackendName | "auto" });
say(`training on ${backend.name} (${backend.device})`);
const { data } = config;
const input = {
  size: { shorter: data.shorter, longer: data.longer },
  padTo: data.padTo,
  normalise: { mean: data.mean, std: data.std },
} as const;
const batches = createLoader(trainSet, {
  ...input,
  batchSize: data.batchSize,
  flip: data.flip,
  groupByAspect: true,
  prefetch: data.prefetch,
  shuffle: true,
  dropLast: true,
  seed,
});
const detector = buildDetector(config.model, { parts, numClasses: classes.length, random: createRandom(seed) });
const records: StepRecord[] = [];
const trainer = createTrainer({
  detector,
  batches,
  config,
  hooks: [
    { name: "records", onStep: (record) => void records.push(record) },
    metricsHook(folder),
    checkpointHook(folder, classes),
    progressHook(process.stderr),
  ],
});
await writeFileAtomic(folder.configFile, `${JSON.stringify(config, null, 2)}\n`);
await trainer.run();
trainer.dispose();
batches.dispose();
const trained = performance.now();

say("evaluating on held-out scenes");
const held = createLoader(valSet, { ...input, batchSize: 1 });
const evaluation = await evaluateDetector({ detector, dataset: valSet, batches: held.epoch(0) });
held.dispose();
const madds = [...evaluation.madds!];
// The scenes are drawn in turns: odd image ids show little, even ones much.
const isEasy = (imageId: number) => imageId % 2 === 1;
const meanOf = (wanted: boolean) => {
  const own = madds.filter((_, i) => isEasy(evaluation.imageIds[i]!) === wanted);
  return own.reduce((a, b) => a + b, 0) / own.length;
};
const [easy, busy] = [meanOf(true), meanOf(false)];

const report = join(folder.path, "report.html");
await writeFile(
  report,
  await buildReport({
    detector,
    dataset: valSet,
    images: join(scenes, "val"),
    classes,
    config,
    records,
    evaluation,
    isEasy,
  }),
);
detector.dispose();
const [ap, ap50] = evaluation.coco.stats as unknown as [number, number];
const seconds = (performance.now() - started) / 1000;
say(`AP ${ap.toFixed(3)}, training took ${((trained - started) / 1000).toFixed(0)} s; open ${report}`);
process.stdout.write(
  `${JSON.stringify({ ap, ap50, seconds, backend: backend.name, madds: { ...spreadOf(madds), easy, busy }, report })}\n`,
);

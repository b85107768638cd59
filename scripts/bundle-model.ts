// Makes of a run the model that comes along with caddet: weights alone, with configuration, classes, metrics on val and the commands that
// trained it in the file, and packages/caddet/src/bundled-model-facts.ts with the file's hash. From the repository's root:
//   node --conditions=@caddet/source --import tsx scripts/bundle-model.ts --run RUN --data DIR --name NAME --trained-on TEXT --command TEXT …
import { createHash } from "node:crypto";
import { writeFile } from "node:fs/promises";
import { parseArgs } from "node:util";
import { type CocoResults, confusionTable, STATISTIC_NAMES } from "@caddet/coco";
import { createLoader, type ImageDataset, loadDataset } from "@caddet/coco/node";
import { parseModelConfig, serializeDetector } from "@caddet/detector";
import { prepareBackend } from "@caddet/runtime/node";
import { evaluateDetector, spreadOf } from "@caddet/trainer";
import { checkClasses } from "../packages/caddet/src/commands/evaluate";
import { type LoadedModel, loadModel } from "../packages/caddet/src/model-file";
import { parts } from "../packages/caddet/src/parts";

const PACKAGE = "packages/caddet";

/** The score in steps of 0.01 at which most objects are found for the fewest mistakes: the best F1 at IoU 0.5, over all classes together. */
function bestThreshold(val: ImageDataset, results: CocoResults): { readonly score: number; readonly f1: number } {
  let best = { score: 0, f1: 0 };
  for (let percent = 5; percent <= 60; percent++) {
    const { counts, names } = confusionTable(val, results, { score: percent / 100 });
    const background = names.length;
    let [right, found, there] = [0, 0, 0];
    for (let row = 0; row <= background; row++) {
      for (let column = 0; column <= background; column++) {
        const count = counts[row * (background + 1) + column]!;
        if (row < background) there += count;
        if (column < background) found += count;
        if (row === column && row < background) right += count;
      }
    }
    const f1 = right === 0 ? 0 : (2 * right) / (found + there);
    if (f1 > best.f1) best = { score: percent / 100, f1 };
  }
  return best;
}

async function measure({ detector, data: { shorter, longer, padTo, mean, std } }: LoadedModel, val: ImageDataset) {
  const input = { size: { shorter, longer }, padTo, normalise: { mean, std } } as const;
  const loader = createLoader(val, { ...input, batchSize: 1 });
  const evaluation = await evaluateDetector({ detector, dataset: val, batches: loader.epoch(0) });
  loader.dispose();
  const { coco, results, madds, imageIds } = evaluation;
  const round = (value: number, digits: number) => Number(value.toFixed(digits));
  return {
    images: imageIds.length,
    ...Object.fromEntries(STATISTIC_NAMES.map((name, i) => [name, round(coco.stats[i]!, 4)])),
    threshold: bestThreshold(val, results).score,
    ...(madds ? { millionMadds: round(spreadOf(madds).mean / 1e6, 1) } : {}),
  };
}

async function main(): Promise<void> {
  const { values } = parseArgs({
    options: {
      run: { type: "string" },
      data: { type: "string" },
      name: { type: "string" },
      "trained-on": { type: "string" },
      command: { type: "string", multiple: true },
    },
  });
  const { run, data, name, "trained-on": trainedOn, command: commands } = values;
  if (!(run && data && name && trainedOn && commands))
    throw new Error("--run, --data, --name, --trained-on, --command");
  await prepareBackend({ backend: "wasm" });
  const model = await loadModel(run);
  const val = await loadDataset(data, "val", { onBadEntry: "keep" });
  checkClasses(model, val);
  const metrics = await measure(model, val);
  const { detector, classes, metadata } = model;
  const bytes = await serializeDetector({
    detector,
    config: parseModelConfig(model.config, parts),
    classes,
    metadata: {
      training: metadata.training!,
      metrics: JSON.stringify(metrics),
      trainedOn,
      commands: JSON.stringify(commands),
    },
  });
  const file = `models/${name}.safetensors`;
  await writeFile(`${PACKAGE}/${file}`, bytes);
  const sha256 = createHash("sha256").update(bytes).digest("hex");
  const facts = { name, file, sha256, trainedOn, metrics };
  await writeFile(
    `${PACKAGE}/src/bundled-model-facts.ts`,
    `// What is known of the model that comes along. Written by scripts/bundle-model.ts together with the model's file.

/** Metrics are COCO's on the 350 images of val; \`threshold\` is the score of the best F1 there, \`millionMadds\` the mean of blocks and paths. */
export const BUNDLED_MODEL_FACTS = ${JSON.stringify(facts, null, 2)} as const;
`,
  );
  detector.dispose();
  process.stdout.write(`${JSON.stringify({ bytes: bytes.length, ...facts })}\n`);
}

await main();

// The program. Usage: npm start -- --data DIR [--out weights.safetensors] [--preset paper] [--epochs 12] [--batch 16] [--rate 0.01]
// [--size 600,1000] [--seed 0]. DIR is a COCO-format folder.
import { writeFile } from "node:fs/promises";
import { parseArgs } from "node:util";
import { filterForTraining } from "@caddet/coco";
import { createLoader, loadDataset } from "@caddet/coco/node";
import { createRandom, readState, serializeSafetensors } from "@caddet/core";
import { createFcosHead } from "@caddet/heads";
import { prepareBackend } from "@caddet/runtime/node";
import { createSupernet, PRESETS, type PresetName } from "@caddet/supernet";
import { plainTrain } from "./plain-train";

const { values: args } = parseArgs({
  options: {
    data: { type: "string" },
    out: { type: "string", default: "weights.safetensors" },
    preset: { type: "string", default: "paper" },
    epochs: { type: "string", default: "12" },
    batch: { type: "string", default: "16" },
    rate: { type: "string", default: "0.01" },
    size: { type: "string", default: "600,1000" },
    seed: { type: "string", default: "0" },
  },
});
if (!args.data) throw new Error("--data is missing: a COCO-format folder.");
await prepareBackend();
const [seed, [shorter = 600, longer = 1000]] = [Number(args.seed), args.size.split(",").map(Number)] as const;
const dataset = filterForTraining(await loadDataset(args.data, "train", { onBadEntry: "skip" }));
const loader = createLoader(dataset, {
  batchSize: Number(args.batch),
  size: { shorter, longer },
  padTo: 64,
  flip: 0.5,
  groupByAspect: true,
  shuffle: true,
  dropLast: true,
  seed,
});
const random = createRandom(seed);
const supernet = createSupernet({ ...PRESETS[args.preset as PresetName], random });
const shape = { strides: supernet.strides, inChannels: supernet.channels };
const head = createFcosHead({ ...shape, numClasses: dataset.categories.ids.length, random });
await plainTrain({
  supernet,
  head,
  epochs: Number(args.epochs),
  batches: (epoch) => loader.epoch(epoch),
  batchesPerEpoch: loader.batchesPerEpoch,
  rate: Number(args.rate),
  ratio: 0.05,
  onStep: (step, loss) => console.log(`step ${step}: ${loss.toFixed(4)}`),
});
const states = await Promise.all([supernet, head].map(readState));
const named = (prefix: string, i: number) => [...states[i]!].map(([name, v]) => [`${prefix}.${name}`, v] as const);
const state = new Map(["backbone", "head"].flatMap(named));
await writeFile(args.out, serializeSafetensors(state, { format: "caddet-plain/1" }));
for (const part of [loader, supernet, head]) part.dispose();

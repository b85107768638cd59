// The program. Usage: npm start -- --data DIR [--out weights.safetensors] [--preset paper] [--epochs 120] [--batch 256] [--piece 32]
// [--rate 0.2] [--side 224] [--seed 0] [--backend auto]. DIR has train/CLASS/*.jpg and val/CLASS/*.jpg. Its last line is JSON.
import { join } from "node:path";
import { parseArgs } from "node:util";
import { type BackendName, prepareBackend } from "@caddet/runtime/node";
import { PRESETS, type PresetName } from "@caddet/supernet";
import { readClassFolders } from "./class-folders";
import { type EpochRecord, pretrain } from "./pretrain";

const { values: args } = parseArgs({
  options: {
    data: { type: "string" },
    out: { type: "string", default: "weights.safetensors" },
    preset: { type: "string", default: "paper" },
    epochs: { type: "string", default: "120" },
    batch: { type: "string", default: "256" },
    piece: { type: "string", default: "32" },
    rate: { type: "string", default: "0.2" },
    side: { type: "string", default: "224" },
    seed: { type: "string", default: "0" },
    backend: { type: "string", default: "auto" },
  },
});
async function main(): Promise<void> {
  if (!args.data) throw new Error("--data is missing: a folder with train/CLASS/*.jpg and val/CLASS/*.jpg.");
  if (!(args.preset in PRESETS)) throw new Error(`--preset is one of ${Object.keys(PRESETS).join(", ")}.`);

  const { name, device } = await prepareBackend({ backend: args.backend as BackendName | "auto" });
  const train = await readClassFolders(join(args.data, "train"));
  const val = await readClassFolders(join(args.data, "val"), train.classes);
  console.log(
    `${train.files.length} + ${val.files.length} images, ${train.classes.length} classes, ${name} on ${device}`,
  );
  let last: EpochRecord | undefined;
  await pretrain({
    preset: args.preset as PresetName,
    train,
    val,
    file: args.out,
    epochs: Number(args.epochs),
    batch: Number(args.batch),
    piece: Number(args.piece),
    rate: Number(args.rate),
    side: Number(args.side),
    seed: Number(args.seed),
    onEpoch: (record) => {
      const { epoch, loss, top1, top5, seconds } = record;
      const [one, five] = [top1, top5].map((share) => (100 * share).toFixed(1));
      console.log(`epoch ${epoch}: loss ${loss.toFixed(4)}, top-1 ${one} %, top-5 ${five} %, ${seconds.toFixed(0)} s`);
      last = record;
    },
  });
  console.log(JSON.stringify({ file: args.out, ...last, backend: name }));
}

// TensorFlow.js' wasm backend would print its own source before an error that nobody catches.
await main().catch((error: Error) => {
  console.error(`error: ${error.message}`);
  process.exitCode = 1;
});

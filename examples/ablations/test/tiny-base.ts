// A base on which a row trains in a second, and data to train it on; what tests of whole runs share.
import { mkdtemp } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { TrainConfigInput } from "@caddet/trainer";
import { runFolder, writeFileAtomic } from "@caddet/trainer/node";
import type { Base } from "../src/bases";
import { ensureScenes } from "../src/drawn-scenes";
import { type EvaluationRecord, writeRecord } from "../src/evaluation-record";
import { rowConfig } from "../src/row-config";
import type { TableOrder } from "../src/runs";
import { openTableData } from "../src/table-data";
import type { Row } from "../src/tables";

/** Two steps of four images each, regularised from the first. */
export const tinyBase: Base = (() => {
  const training: TrainConfigInput = {
    data: { shorter: 64, longer: 96, batchSize: 4, padTo: 64, prefetch: 1 },
    schedule: { epochs: 4, maxSteps: 2, warmupSteps: 0 },
    optimizer: { lr: 0.01 },
    regularizeFromEpoch: 0,
    checkpoint: { everySteps: 1 },
  };
  const supernet = { type: "supernet", preset: "tiny", layers: 2, channels: [4, 8], pyramid: 8 };
  const head = { channels: 8, stackedConvs: 1, groups: 2, test: { nmsPre: 20, maxPerImage: 5 } };
  const mobile = { width: 0.1, neck: { depth: 8, levels: 3 } };
  const ranges = [
    [-1, 64],
    [64, 128],
    [128, 1e8],
  ];
  return {
    training: { fcos: training, retinanet: training },
    backbones: {
      supernet,
      "supernet-fpnlite": { type: "supernet-fpnlite", supernet, neck: { depth: 8, levels: 3 } },
      mobilenetv1: { ...mobile, type: "mobilenetv1" },
      mobilenetv2: { ...mobile, type: "mobilenetv2" },
    },
    heads: {
      fcos: { ...head, type: "fcos", regressRanges: ranges },
      retinanet: { ...head, type: "retinanet" },
    },
    size: { height: 64, width: 128 },
  };
})();

/** A folder for one test. */
export const freshFolder = () => mkdtemp(join(tmpdir(), "caddet-ablations-"));

/** Eight drawn scenes to train on, four to evaluate on. */
export async function tinyData() {
  const folder = await freshFolder();
  await ensureScenes(folder, { train: 8, val: 4 });
  return { folder, data: await openTableData(folder) };
}

/** A record as a finished run leaves it, with numbers of one's choice. */
export function recordOf(row: Row, seed: number, numbers: Partial<EvaluationRecord> = {}): EvaluationRecord {
  return {
    format: "caddet-ablation/1",
    run: row.run,
    seed,
    steps: 2,
    backend: "cpu",
    classes: [{ id: 1, name: "disc" }],
    annotations: { train: "a".repeat(64), val: "b".repeat(64) },
    initialWeights: null,
    images: 4,
    skipped: 0,
    stats: Array(12).fill(0.25),
    size: tinyBase.size,
    routed: { mean: 4e6, min: 3e6, max: 6e6, std: 0.5e6 },
    constant: 1e6,
    ...numbers,
  };
}

/** Puts a finished run into a table's folder without training it. */
export async function pretendRun(order: TableOrder, row: Row, seed: number, numbers: Partial<EvaluationRecord> = {}) {
  const folder = runFolder(join(order.out, "runs", row.run, `seed-${seed}`));
  await writeFileAtomic(folder.configFile, JSON.stringify(rowConfig(row, order.base, seed, order.settings)));
  await writeRecord(folder, recordOf(row, seed, numbers));
  return folder;
}

// Whole runs on a few drawn scenes, two steps each: every kind of row, exact resuming, what is finished is left alone.
import { createHash } from "node:crypto";
import { readFile, rm, stat } from "node:fs/promises";
import { join } from "node:path";
import { prepareBackend } from "@caddet/runtime/node";
import * as tf from "@tensorflow/tfjs-core";
import { afterAll, beforeAll, expect, it } from "vitest";
import { runTable } from "../src/run-table";
import type { TableOrder } from "../src/runs";
import { openTableData, type TableData } from "../src/table-data";
import { TABLES } from "../src/tables";
import { freshFolder, tinyBase, tinyData } from "./tiny-base";

let data: TableData;
const folders: string[] = [];

beforeAll(async () => {
  await prepareBackend({ backend: "wasm" });
  const drawn = await tinyData();
  data = drawn.data;
  folders.push(drawn.folder);
});
afterAll(() => Promise.all(folders.map((folder) => rm(folder, { recursive: true, force: true }))));

async function orderOf(id: number, seeds = [0]): Promise<TableOrder> {
  const out = await freshFolder();
  folders.push(out);
  return { table: TABLES[id - 1]!, base: tinyBase, seeds, settings: { set: [], budgetFactor: 1 }, out };
}

function options(stop: { readonly aborted: boolean } = { aborted: false }, only?: readonly string[]) {
  const said: string[] = [];
  const progress = { write: (text: string) => said.push(text) };
  return { said, data, backend: "wasm", stop, progress, ...(only ? { only } : {}) };
}

const begun = (said: readonly string[]) => said.filter((text) => text.startsWith("run "));
const checkpointOf = (order: TableOrder, run: string, step: number) =>
  join(order.out, "runs", run, "seed-0", "checkpoints", `step-0000000${step}.safetensors`);
const hashOf = async (file: string) =>
  createHash("sha256")
    .update(await readFile(file))
    .digest("hex");

it.each([
  [3, ["scale-0.05-sim-0.6-0.95", "scale-0.05-sim-0.6-0.95-fpnlite"]],
  [4, ["mobilenetv1-fcos", "mobilenetv2-retinanet", "caddet-fcos", "caddet-retinanet"]],
])(
  "trains and evaluates rows of Table %i",
  async (id, only) => {
    const before = tf.memory().numTensors;
    const order = await orderOf(id);
    const { content } = await runTable(order, options(undefined, only));
    expect(tf.memory().numTensors).toBe(before);
    for (const { row, over } of content.results) {
      if (!only.includes(row.run)) {
        expect(over).toBeNull();
        continue;
      }
      expect(over!.ap.mean).toBeGreaterThanOrEqual(0);
      expect(over!.mean.mean).toBeGreaterThan(0);
      if (row.backbone.startsWith("mobilenet")) {
        expect(over!.std.mean).toBe(0);
        expect(over!.max.mean).toBe(over!.min.mean);
      }
    }
  },
  120_000,
);

it("goes on exactly where it was stopped, and leaves finished runs alone", async () => {
  const only = ["loss-0.05", "scale-0.05"];
  const whole = await orderOf(1);
  const direct = await runTable(whole, options(undefined, only));

  const parted = await orderOf(1);
  // Stops after the first step of the first run.
  let asked = 0;
  const stop = {
    get aborted() {
      return asked > 0;
    },
  };
  const first = options(stop, only);
  const { progress } = first;
  const write = (text: string) => {
    if (text.startsWith("step 1/")) asked++;
    return progress.write(text);
  };
  const stopped = await runTable(parted, { ...first, progress: { write } });
  expect(stopped.content.runs.find(({ row }) => row.run === "loss-0.05")!.state).toEqual({ kind: "begun", step: 1 });

  const second = options(undefined, only);
  const resumed = await runTable(parted, second);
  expect(begun(second.said)).toHaveLength(2);
  for (const run of only) {
    expect(await hashOf(checkpointOf(parted, run, 2))).toBe(await hashOf(checkpointOf(whole, run, 2)));
  }
  const numbers = (written: typeof direct) => written.content.results.map(({ over }) => over);
  expect(numbers(resumed)).toEqual(numbers(direct));

  const { mtimeMs } = await stat(checkpointOf(parted, "loss-0.05", 2));
  const third = options(undefined, only);
  await runTable(parted, third);
  expect(third.said).toEqual([]);
  expect((await stat(checkpointOf(parted, "loss-0.05", 2))).mtimeMs).toBe(mtimeMs);
}, 120_000);

it("evaluates a run that was trained to its end without an evaluation, and trains it no more", async () => {
  const order = await orderOf(1);
  const only = ["fixed-0.1"];
  await runTable(order, options(undefined, only));
  const record = join(order.out, "runs", "fixed-0.1", "seed-0", "evaluation.json");
  const before = await readFile(record, "utf8");
  await rm(record);
  const again = options(undefined, only);
  await runTable(order, again);
  expect(again.said.some((text) => text.startsWith("step"))).toBe(false);
  expect(await readFile(record, "utf8")).toBe(before);
}, 120_000);

it("does not go on with a run on another data set", async () => {
  const order = await orderOf(1);
  const only = ["fixed-0.1"];
  await runTable(order, options(undefined, only));
  await rm(join(order.out, "runs", "fixed-0.1", "seed-0", "evaluation.json"));
  const annotations = { ...data.annotations, train: "0".repeat(64) };
  const others = { ...options(undefined, only), data: { ...data, annotations } };
  await expect(runTable(order, others)).rejects.toThrow("was begun on another data set");
}, 120_000);

it("begins all runs with given weights, and tells such runs from others", async () => {
  const order = await orderOf(1);
  const only = ["fixed-0.1"];
  await runTable(order, options(undefined, only));
  const init = checkpointOf(order, "fixed-0.1", 2);
  const begunWith = await openTableData(folders[0]!, init);
  const warm = { ...options(undefined, only), data: begunWith };
  await expect(runTable(order, warm)).rejects.toThrow(/cannot be compared \(other initial weights/);
  const other = await orderOf(1);
  await runTable(other, warm);
  expect(warm.said.some((text) => text.includes(`arrays of ${init} loaded`))).toBe(true);
  expect(await hashOf(checkpointOf(other, "fixed-0.1", 1))).not.toBe(await hashOf(checkpointOf(order, "fixed-0.1", 1)));
  await expect(openTableData(folders[0]!, `${init}.none`)).rejects.toThrow("cannot be read");
}, 120_000);

it("shares runs between tables", async () => {
  const order = await orderOf(1);
  await runTable(order, options(undefined, ["scale-0.05"]));
  const other: TableOrder = { ...order, table: TABLES[1]! };
  const second = options(undefined, ["scale-0.05"]);
  const { content } = await runTable(other, second);
  expect(second.said).toEqual([]);
  expect(content.results[0]!.bySeed.size).toBe(1);
}, 120_000);

it("does not train over a run of other classes or settings", async () => {
  const order = await orderOf(1);
  const only = ["fixed-0.1"];
  await runTable(order, options(undefined, only));
  const classes = data.classes.map(({ id, name }) => ({ id, name: `${name}s` }));
  const others = { ...options(undefined, only), data: { ...data, classes } };
  await expect(runTable(order, others)).rejects.toThrow(/cannot be compared \(other classes/);
  const settings = { set: ["optimizer.lr=0.3"], budgetFactor: 1 };
  await expect(runTable({ ...order, settings }, options(undefined, only))).rejects.toThrow("optimizer.lr");
}, 120_000);

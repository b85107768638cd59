// What is said of runs that are there, half there, not there, or not to be compared.
import { mkdir, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { afterEach, beforeEach, expect, it } from "vitest";
import { lookAtRuns, type TableOrder } from "../src/runs";
import { TABLES } from "../src/tables";
import { freshFolder, pretendRun, recordOf, tinyBase } from "./tiny-base";

const table = TABLES[0]!;
const [fixed, , , , proposed] = table.rows as [Row, Row, Row, Row, Row];
type Row = (typeof table.rows)[number];
let order: TableOrder;

beforeEach(async () => {
  const out = await freshFolder();
  order = { table, base: tinyBase, seeds: [0, 1], settings: { set: [], budgetFactor: 1 }, out };
});
afterEach(() => rm(order.out, { recursive: true, force: true }));

async function stateOf(row: Row, seed: number, identity?: Parameters<typeof lookAtRuns>[1]) {
  const runs = await lookAtRuns(order, identity);
  return runs.find((run) => run.row === row && run.seed === seed)!.state;
}

it("finds nothing in an empty folder", async () => {
  const runs = await lookAtRuns(order);
  expect(runs).toHaveLength(12);
  expect(runs.every(({ state }) => state.kind === "missing")).toBe(true);
});

it("tells done from begun from missing", async () => {
  await pretendRun(order, fixed, 0);
  const begun = join(order.out, "runs", fixed.run, "seed-1");
  const { path } = await pretendRun(order, fixed, 1);
  await rm(join(path, "evaluation.json"));
  await mkdir(join(begun, "checkpoints"));
  await writeFile(join(begun, "checkpoints", "step-00000001.safetensors"), "");
  expect(await stateOf(fixed, 0)).toMatchObject({ kind: "done", record: { run: "fixed-0.1", seed: 0 } });
  expect(await stateOf(fixed, 1)).toEqual({ kind: "begun", step: 1 });
  expect(await stateOf(proposed, 0)).toEqual({ kind: "missing" });
});

it("does not count runs on other classes, splits or steps than the first", async () => {
  await pretendRun(order, fixed, 0);
  await pretendRun(order, fixed, 1, { classes: [{ id: 1, name: "ring" }] });
  await pretendRun(order, proposed, 0, { annotations: { train: "a".repeat(64), val: "c".repeat(64) } });
  await pretendRun(order, proposed, 1, { steps: 9 });
  expect(await stateOf(fixed, 0)).toMatchObject({ kind: "done" });
  expect(await stateOf(fixed, 1)).toEqual({
    kind: "unusable",
    reason: "other classes: 1 (ring), compared with 1 (disc)",
  });
  expect(await stateOf(proposed, 0)).toEqual({ kind: "unusable", reason: "another val split" });
  expect(await stateOf(proposed, 1)).toEqual({ kind: "unusable", reason: "9 steps, compared with 2" });
});

it("compares with the data set at hand where it is known", async () => {
  await pretendRun(order, fixed, 0);
  await pretendRun(order, fixed, 1, { classes: [{ id: 1, name: "ring" }] });
  const { annotations, initialWeights } = recordOf(fixed, 1);
  const identity = { classes: [{ id: 1, name: "ring" }], annotations, initialWeights };
  expect(await stateOf(fixed, 0, identity)).toMatchObject({ kind: "unusable" });
  expect(await stateOf(fixed, 1, identity)).toMatchObject({ kind: "done" });
});

it("names the settings in which a run differs", async () => {
  await pretendRun(order, fixed, 0);
  order = { ...order, settings: { set: ["optimizer.lr=0.5", "data.prefetch=7"], budgetFactor: 2 } };
  expect(await stateOf(fixed, 0)).toEqual({ kind: "unusable", reason: "other settings: optimizer.lr, budget.ratio" });
});

it("counts nothing that it cannot read, or that has no AP, or another input", async () => {
  const { path } = await pretendRun(order, fixed, 0);
  await writeFile(join(path, "evaluation.json"), "{");
  await pretendRun(order, fixed, 1, { stats: Array(12).fill(-1) });
  await pretendRun(order, proposed, 0, { size: { height: 32, width: 32 } });
  const wrong = await pretendRun(order, proposed, 1);
  await writeFile(join(wrong.path, "evaluation.json"), JSON.stringify({ ...recordOf(proposed, 1), stats: [1] }));
  const reasons = [
    await stateOf(fixed, 0),
    await stateOf(fixed, 1),
    await stateOf(proposed, 0),
    await stateOf(proposed, 1),
  ];
  expect(reasons.map(({ kind }) => kind)).toEqual(Array(4).fill("unusable"));
  const texts = reasons.map((state) => ("reason" in state ? state.reason : ""));
  expect(texts[0]).toContain("is not JSON");
  expect(texts[1]).toContain("AP is undefined");
  expect(texts[2]).toBe("MAdds counted for 32 × 32");
  expect(texts[3]).toContain("stats");
});

import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, describe, expect, it } from "vitest";
import { call, errorOf } from "./call";

const folder = mkdtempSync(join(tmpdir(), "caddet-coco-eval-"));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

function write(name: string, value: unknown): string {
  const file = join(folder, name);
  writeFileSync(file, typeof value === "string" ? value : JSON.stringify(value));
  return file;
}

const box = (id: number, category: number, x: number) => ({
  id,
  image_id: 1,
  category_id: category,
  bbox: [x, 0, 10, 10],
  area: 100,
  iscrowd: 0,
});
const found = (category: number, x: number, score: number) => ({
  image_id: 1,
  category_id: category,
  bbox: [x, 0, 10, 10],
  score,
});

const gt = write("gt.json", {
  images: [{ id: 1, file_name: "a.jpg", width: 100, height: 50 }],
  categories: [
    { id: 3, name: "cat" },
    { id: 7, name: "dog" },
  ],
  annotations: [box(1, 3, 0), box(2, 7, 50)],
});
// The cat is found, the dog is taken for a cat.
const dt = write("dt.json", [found(3, 0, 0.9), found(3, 50, 0.8)]);

describe("caddet coco eval", () => {
  it("prints twelve numbers and, with --json, numbers and classes", async () => {
    const called = await call("coco", "eval", "--gt", gt, "--dt", dt, "--json");
    expect(called.code).toBe(0);
    expect(called.out.split("\n").length).toBe(14);
    const { stats, perClass, ...rest } = called.json() as { stats: number[]; perClass: Record<string, unknown>[] };
    expect(rest).toEqual({});
    expect(stats.length).toBe(12);
    expect(stats[1]).toBeCloseTo(0.5, 12);
    expect(perClass.map(({ categoryId, name }) => [categoryId, name])).toEqual([
      [3, "cat"],
      [7, "dog"],
    ]);
    expect(perClass[1]).toMatchObject({ ap: 0, ar: 0, arSmall: 0, arLarge: -1 });
  });

  it("adds what is asked for", async () => {
    const called = await call(
      "coco",
      "eval",
      "--gt",
      gt,
      "--dt",
      dt,
      "--per-class",
      "--confusion",
      "--errors",
      "--json",
    );
    expect(called.out).toMatch(/^class +AP +AP50/m);
    expect(called.out).toMatch(/^dog taken for cat +1$/m);
    expect(called.out).toMatch(/^classification +1 +0\.500$/m);
    const { confusion, errors } = called.json() as {
      confusion: { categoryIds: number[]; counts: number[][] };
      errors: { counts: Record<string, number> };
    };
    expect(confusion).toEqual({
      categoryIds: [3, 7],
      counts: [
        [1, 0, 0],
        [1, 0, 0],
        [0, 0, 0],
      ],
    });
    expect(errors.counts).toMatchObject({ classification: 1, missed: 0 });
  });

  it("says on stderr what a reader should know", async () => {
    const stranger = write("stranger.json", [found(3, 0, 0.9), found(99, 0, 0.9)]);
    const called = await call("coco", "eval", "--gt", gt, "--dt", stranger, "--threads", "1");
    expect(called.err).toBe("1 detections of categories outside catIds were dropped.\n");
    expect(called.code).toBe(0);
  });

  it("fails with the file's name, and tells a wrong call", async () => {
    const broken = write("broken.json", '[{"image_id": 1,');
    expect(errorOf(await call("coco", "eval", "--gt", gt, "--dt", broken))).toContain("broken.json");
    expect((await call("coco", "eval", "--gt", gt, "--dt", join(folder, "none.json"))).code).toBe(1);
    expect((await call("coco", "eval", "--gt", gt)).code).toBe(2);
    expect((await call("coco", "eval", "--gt", gt, "--dt", dt, "--threads", "0")).code).toBe(2);
  });
});

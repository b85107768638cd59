import { rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { call, errorOf } from "./call";
import { type DrawnSet, drawSet } from "./drawn-set";

let set: DrawnSet;
beforeEach(async () => {
  set = await drawSet();
});
afterEach(() => set.remove());

describe("caddet coco check", () => {
  // The drawn splits hold the same images, which is worth a warning.
  it("ends well with warnings and remarks alone", async () => {
    const { code, out } = await call("coco", "check", set.folder);
    expect(code).toBe(0);
    expect(out).toMatch(/^val +4 +4 +2$/m);
    expect(out).toMatch(/^warning +image-duplicate +4$/m);
    expect(out).toContain("    val: val/1.jpg has the same bytes as train/1.jpg\n");
    expect(out).toContain("    … and 1 more\n");
    expect(out).toMatch(/^0 errors, 4 warnings, 4 remarks$/m);
  });

  it("ends with 1 at errors, and names them", async () => {
    await rm(join(set.folder, "val", "2.jpg"));
    await set.change("val", ({ annotations }) => void Object.assign(annotations[0]!, { category_id: 99 }) as undefined);
    const { code, out } = await call("coco", "check", set.folder, "--split", "val");
    expect(code).toBe(1);
    expect(out).toMatch(/^error +missing-file +1\n {4}val: .*2\.jpg: no such image file/m);
    expect(out).toMatch(/^error +unknown-category +1\n {4}val: .*category 99 is not in the table/m);
    expect(out).not.toContain("train");
  });

  it("gives the whole report as JSON", async () => {
    await writeFile(join(set.folder, "train", "1.jpg"), "");
    const called = await call("coco", "check", set.folder, "--split", "train", "--split", "val", "--json", "--quick");
    expect(called.code).toBe(1);
    expect(called.out.trimEnd().split("\n")).toHaveLength(1);
    expect(called.json()).toMatchObject({
      folder: set.folder,
      splits: [{ split: "train", images: 4, annotations: 4, classes: 2 }, { split: "val" }],
      errors: 1,
      warnings: 3,
      findings: [
        { severity: "error", reason: "empty-file", split: "train", file: "1.jpg", imageId: 1 },
        {},
        {},
        {},
        {},
        {},
        {},
        {},
      ],
    });
  });

  it("decodes no image where it is to be quick", async () => {
    const file = join(set.folder, "train", "1.jpg");
    const { readFile, truncate } = await import("node:fs/promises");
    await truncate(file, (await readFile(file)).length / 2);
    expect((await call("coco", "check", set.folder, "--quick")).code).toBe(0);
    const called = await call("coco", "check", set.folder);
    expect(called.code).toBe(1);
    expect(called.out).toMatch(/^error +undecodable +1$/m);
  });

  it("fails with one error where there is no data set", async () => {
    expect(errorOf(await call("coco", "check", set.path("none")))).toContain(`No folder ${set.path("none")}`);
    expect((await call("coco", "check")).code).toBe(2);
    expect((await call("coco", "check", set.folder, "--examples", "0")).code).toBe(2);
  });
});

import { mkdtemp, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import fc from "fast-check";
import { expect, it } from "vitest";
import { datasetToJson, formatInstances, parseAnnotations } from "../src";
import { writeInstances } from "../src/node";
import { instances } from "./instances";

const parse = (json: unknown) => parseAnnotations(json, { file: "made here" });

// Instances files without a fault, with any ids and names.
const sets = fc
  .record({
    sides: fc.uniqueArray(fc.tuple(fc.maxSafeInteger(), fc.integer({ min: 10, max: 500 })), {
      selector: ([id]) => id,
      minLength: 1,
      maxLength: 5,
    }),
    names: fc.uniqueArray(fc.tuple(fc.integer(), fc.string()), { selector: ([id]) => id, minLength: 1, maxLength: 4 }),
    boxes: fc.uniqueArray(
      fc.tuple(
        fc.maxSafeInteger(),
        ...[fc.nat(99), fc.nat(99), fc.integer({ min: 0, max: 1 }), fc.integer({ min: 0, max: 1 })],
        fc.double({ min: 0.25, max: 10, noNaN: true }),
      ),
      { selector: ([id]) => id, maxLength: 9 },
    ),
  })
  .map(({ sides, names, boxes }) => ({
    images: sides.map(([id, side], n) => ({ id, file_name: `${n}.jpg`, width: side, height: side + 1 })),
    annotations: boxes.map(([id, image, category, iscrowd, ignore, side]) => ({
      id,
      image_id: sides[image % sides.length]![0],
      category_id: names[category % names.length]![0],
      bbox: [0, 0, side, side],
      area: side * side,
      iscrowd,
      ignore,
    })),
    categories: names.map(([id, name]) => ({ id, name })),
  }));

it("a data set is the same after it was written and parsed", () => {
  fc.assert(
    fc.property(sets, (json) => {
      const dataset = parse(json);
      expect(parse(JSON.parse([...formatInstances(dataset)].join("")))).toEqual(dataset);
      expect(parse(datasetToJson(dataset))).toEqual(dataset);
    }),
  );
});

it("writes `ignore` only where it is set, and fields in COCO's names", () => {
  const [first] = datasetToJson(parse(instances())).annotations;
  expect(first).toEqual({ id: 11, image_id: 7, category_id: 9, bbox: [1, 2, 10, 20], area: 150, iscrowd: 0 });
});

it("writeInstances writes what formatInstances gives", async () => {
  const folder = await mkdtemp(join(tmpdir(), "instances-"));
  try {
    const dataset = parse(instances());
    await writeInstances(join(folder, "instances.json"), dataset);
    const json: unknown = JSON.parse(await readFile(join(folder, "instances.json"), "utf8"));
    expect(json).toEqual(datasetToJson(dataset));
  } finally {
    await rm(folder, { recursive: true });
  }
});

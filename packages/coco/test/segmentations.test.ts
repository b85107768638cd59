import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { type SegmentationTable, segmentationBuilder, takeSegmentations } from "../src/dataset/segmentations";
import { parseAnnotations } from "../src/index";
import { instances } from "./instances";
import { bytesOf } from "./json-texts";

const file = "instances.json";

/** The polygons of an annotation, or "run length". */
function outlineOf({ coordinates, starts, polygons, runLength }: SegmentationTable, n: number) {
  if (runLength[n] === 1) return "run length";
  const lists: number[][] = [];
  for (let p = polygons[n]!; p < polygons[n + 1]!; p++) lists.push([...coordinates.subarray(starts[p], starts[p + 1])]);
  return lists;
}

function withOutlines(outlines: readonly unknown[]) {
  const { annotations, ...rest } = instances();
  return { ...rest, annotations: annotations.map((a, n) => ({ ...a, segmentation: outlines[n] })) };
}

describe("segmentations", () => {
  const outlines = [
    [
      [1, 2, 3.5, 4, 5, 6],
      [7, 8],
    ],
    { counts: "abc", size: [4, 4] },
    undefined,
  ];

  it("are columns of coordinates where they are asked for", () => {
    for (const json of [withOutlines(outlines), bytesOf(JSON.stringify(withOutlines(outlines)))]) {
      const { segmentations } = parseAnnotations(json, { file, segmentation: true }).annotations;
      expect([...segmentations!.coordinates]).toEqual([1, 2, 3.5, 4, 5, 6, 7, 8]);
      expect([...segmentations!.starts]).toEqual([0, 6, 8]);
      expect([...segmentations!.polygons]).toEqual([0, 2, 2, 2]);
      expect([...segmentations!.runLength]).toEqual([0, 1, 0]);
      expect(parseAnnotations(json, { file }).annotations.segmentations).toBeUndefined();
    }
  });

  it("follow their annotations when others are left out", () => {
    const json = withOutlines([
      [[1, 2]],
      [
        [3, 4],
        [5, 6],
      ],
      [[7, 8, 9, 10]],
    ]);
    json.annotations[0]!.category_id = 77;
    for (const value of [json, bytesOf(JSON.stringify(json))]) {
      const { annotations } = parseAnnotations(value, { file, segmentation: true, onBadEntry: "skip" });
      expect([...annotations.ids]).toEqual([12, 13]);
      expect([0, 1].map((n) => outlineOf(annotations.segmentations!, n))).toEqual([
        [
          [3, 4],
          [5, 6],
        ],
        [[7, 8, 9, 10]],
      ]);
    }
  });

  it.each([[[1, 2, 3]], [[[1, 2, 3]]], [[["1", "2"]]], ["[[1,2]]"], [7], [[[1, 2], null]], [[[[1, 2]]]]])(
    "that are none, %j, make their annotation malformed",
    (outline) => {
      const json = withOutlines([outline, undefined, null]);
      for (const value of [json, bytesOf(JSON.stringify(json))]) {
        expect(() => parseAnnotations(value, { file, segmentation: true })).toThrow(
          'instances.json: annotation 11 of image 7 needs a "segmentation" of polygons',
        );
        expect(parseAnnotations(value, { file }).annotations.ids.length).toBe(3);
      }
    },
  );

  it("count once where the key comes twice", () => {
    const text = JSON.stringify(withOutlines([[[1, 2]], [[3, 4]]])).replace(
      '"id":12',
      '"id":12,"segmentation":[[8,9]]',
    );
    const { segmentations } = parseAnnotations(bytesOf(text), { file, segmentation: true }).annotations;
    expect([0, 1, 2].map((n) => outlineOf(segmentations!, n))).toEqual([[[1, 2]], [[3, 4]], []]);
  });

  it("are kept in any number, and any rows can be taken", () => {
    const polygon = fc.array(fc.tuple(fc.integer(), fc.integer()), { maxLength: 4 }).map((points) => points.flat());
    const outline = fc.oneof(fc.array(polygon, { maxLength: 3 }), fc.constant("run length"));
    fc.assert(
      fc.property(fc.array(fc.tuple(outline, fc.boolean()), { maxLength: 30 }), (rows) => {
        const builder = segmentationBuilder();
        rows.forEach(([value], n) => {
          builder.add(n, value === "run length" ? {} : value);
        });
        const table = builder.finish(rows.length);
        expect(rows.map((_, n) => outlineOf(table, n))).toEqual(rows.map(([value]) => value));
        const taken = rows.flatMap(([, take], n) => (take ? [n] : []));
        const part = takeSegmentations(table, taken);
        expect(taken.map((_, n) => outlineOf(part, n))).toEqual(taken.map((n) => rows[n]![0]));
      }),
    );
  });

  it("are kept where there are many", () => {
    const builder = segmentationBuilder();
    const polygon = (n: number) => Array.from({ length: 2 + 2 * (n % 5) }, (_, i) => n + i);
    for (let n = 0; n < 5000; n += 2) builder.add(n, [polygon(n)]);
    const table = builder.finish(6000);
    expect(table.polygons.length).toBe(6001);
    expect([0, 1, 4998, 4999, 5999].map((n) => outlineOf(table, n))).toEqual([
      [polygon(0)],
      [],
      [polygon(4998)],
      [],
      [],
    ]);
  });
});

import { ConfigError } from "@caddet/core";
import { describe, expect, it } from "vitest";
import { confusionTable, parseResults } from "../src/index";
import { found, truthOf } from "./small-truth";

const tableOf = (...args: Parameters<typeof confusionTable>) => {
  const { counts, names } = confusionTable(...args);
  const size = names.length + 1;
  return Array.from({ length: size }, (_, row) => [...counts.subarray(row * size, (row + 1) * size)]);
};

describe("confusionTable", () => {
  const truth = truthOf([
    { category: 1, x: 0 },
    { category: 1, x: 100 },
    { category: 2, x: 200 },
    { category: 2, x: 300 },
  ]);

  it("counts by true and predicted class, with the background last", () => {
    const results = parseResults(
      [
        found(1, 0, 0.9),
        found(2, 100, 0.8), // a 1 taken for a 2
        found(2, 200, 0.7),
        found(1, 400, 0.6), // nothing there
        found(2, 300, 0.2), // below the score
      ],
      { file: "d" },
    );
    expect(tableOf(truth, results)).toEqual([
      [1, 1, 0],
      [0, 1, 1],
      [1, 0, 0],
    ]);
    expect(tableOf(truth, results, { score: 0.1 })[1]).toEqual([0, 2, 0]);
  });

  it("gives an annotation to the highest score, whatever the order in the file", () => {
    const results = parseResults([found(2, 1, 0.5), found(1, 0, 0.9)], { file: "d" });
    expect(tableOf(truthOf([{ category: 1, x: 0 }]), results)).toEqual([
      [1, 0, 0],
      [0, 0, 0],
      [0, 1, 0],
    ]);
  });

  it("counts crowds nowhere", () => {
    const crowd = truthOf([{ category: 1, x: 0, crowd: true }]);
    expect(tableOf(crowd, parseResults([found(2, 1, 0.9), found(1, 0, 0.8)], { file: "d" })).flat()).toEqual(
      new Array(9).fill(0),
    );
  });

  it("takes other IoUs and refuses none", () => {
    const results = parseResults([found(1, 2, 0.9)], { file: "d" }); // IoU 8 / 12
    const single = truthOf([{ category: 1, x: 0 }]);
    expect(tableOf(single, results, { iou: 0.6 })[0]).toEqual([1, 0, 0]);
    expect(tableOf(single, results, { iou: 0.7 })[0]).toEqual([0, 0, 1]);
    expect(() => confusionTable(single, results, { iou: 0 })).toThrow(ConfigError);
  });
});

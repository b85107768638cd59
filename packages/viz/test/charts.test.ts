// Line charts, histograms, bar charts and matrices: geometry, gaps, empty inputs, escaping.
import { ConfigError, ShapeError } from "@caddet/core";
import { describe, expect, it } from "vitest";
import { barChart, histogramSvg, type LineSeries, lineChart, matrixSvg } from "../src";
import { elementsOf, expectHarmless, expectWellFormed, HOSTILE } from "./markup";

const words = { title: "Loss", xLabel: "epoch", yLabel: "loss" };
const texts = (svg: string) =>
  elementsOf(svg)
    .filter(({ name }) => name === "text")
    .map(({ text }) => text);
const ofClass = (svg: string, name: string) => elementsOf(svg).filter(({ attributes }) => attributes.class === name);
const series: readonly LineSeries[] = [
  {
    name: "easy",
    points: [
      [0, 4],
      [1, 2],
      [2, 1],
    ],
  },
  {
    name: "busy",
    points: [
      [0, 5],
      [1, 3],
      [2, 2],
    ],
  },
];

/** The subpaths of a chart's curves as points. */
function curves(svg: string): number[][][] {
  return elementsOf(svg)
    .filter(({ name, attributes }) => name === "path" && attributes.fill === "none")
    .map(({ attributes }) =>
      attributes
        .d!.split("M")
        .filter(Boolean)
        .map((part) => part.split(/[L ]/).map(Number)),
    );
}

describe("lineChart", () => {
  it("draws one curve a series, in order, higher for greater values", () => {
    const svg = lineChart({ ...words, series });
    expectWellFormed(svg);
    expect(ofClass(svg, "series")).toHaveLength(2);
    const [easy, busy] = curves(svg).map(([points]) => points!);
    expect(easy).toHaveLength(6);
    expect(easy![0]).toBeLessThan(easy![2]!);
    expect(easy![1]).toBeLessThan(easy![3]!);
    expect(busy![1]).toBeLessThan(easy![1]!);
    expect(texts(svg)).toEqual(expect.arrayContaining(["Loss", "epoch", "loss", "easy", "busy"]));
  });

  it("tells series apart without colour", () => {
    const many = Array.from({ length: 5 }, (_, i) => ({
      name: `s${i}`,
      points: [
        [0, i],
        [1, i],
      ] as const,
    }));
    const dashes = elementsOf(lineChart({ ...words, series: many }))
      .filter(({ name, attributes }) => name === "path" && attributes.fill === "none")
      .filter(({ attributes }) => attributes["stroke-linejoin"] === "round")
      .map(({ attributes }) => attributes["stroke-dasharray"] ?? "solid");
    expect(new Set(dashes).size).toBe(5);
  });

  it("spaces powers of ten evenly on a logarithmic axis", () => {
    const points = [
      [0, 100],
      [1, 10],
      [2, 1],
      [3, 0.1],
    ] as const;
    const [[curve]] = curves(lineChart({ ...words, series: [{ name: "lr", points }], logY: true })) as [[number[]]];
    expect(curve[3]! - curve[1]!).toBeCloseTo(curve[5]! - curve[3]!, 1);
    expect(curve[5]! - curve[3]!).toBeCloseTo(curve[7]! - curve[5]!, 1);
  });

  it("breaks the curve where a value cannot be shown", () => {
    const points = [
      [0, 1],
      [1, 2],
      [2, Number.NaN],
      [3, 3],
      [4, 0],
      [5, 2],
    ] as const;
    const one = [{ name: "a", points }];
    expect(curves(lineChart({ ...words, series: one }))[0]).toHaveLength(2);
    expect(curves(lineChart({ ...words, series: one, logY: true }))[0]).toHaveLength(3);
  });

  it.each([
    ["no series", []],
    ["an empty series", [{ name: "a", points: [] }]],
    ["no finite value", [{ name: "a", points: [[0, Number.NaN]] }]],
  ] as const)("says so when there is no data: %s", (_, empty) => {
    const svg = lineChart({ ...words, series: empty });
    expectWellFormed(svg);
    expect(texts(svg)).toContain("no data");
  });

  it.each([0, 5, -3, 1e-9, 3e12])("draws a single point at %d", (y) => {
    const svg = lineChart({ ...words, series: [{ name: "a", points: [[7, y]] }] });
    expectWellFormed(svg);
    expect(texts(svg).length).toBeGreaterThan(5);
  });

  it("keeps every curve inside the figure, whatever the range", () => {
    for (const scale of [1e-12, 1e-3, 1, 1e7, 1e12]) {
      for (const logY of [false, true]) {
        const points = Array.from({ length: 40 }, (_, i) => [i * scale, scale * (1 + i * i)] as const);
        for (const [i, value] of curves(
          lineChart({ ...words, series: [{ name: "a", points }], logY }),
        )[0]![0]!.entries()) {
          expect(value).toBeGreaterThanOrEqual(0);
          expect(value).toBeLessThanOrEqual(i % 2 === 0 ? 420 : 280);
        }
      }
    }
  });
});

describe("histogramSvg", () => {
  it("counts each value once, the greatest included", () => {
    const svg = histogramSvg({ ...words, series: [{ name: "a", values: [0, 0.5, 1, 1, 2, Number.NaN] }], bins: 2 });
    expectWellFormed(svg);
    const [path] = ofClass(svg, "series");
    const heights = path!.attributes
      .d!.split("V")
      .slice(1)
      .map((part) => Number(part.split("H")[0]));
    const bottom = heights.at(-1)!;
    // Two values below the middle, three from it on.
    expect((bottom - heights[1]!) / (bottom - heights[0]!)).toBeCloseTo(1.5, 1);
    expect(path!.text).toContain("5 values");
  });

  it("counts only what lies in the range", () => {
    const options = { ...words, series: [{ name: "a", values: [0, 1, 2, 3] }], range: [1, 2] as const };
    expect(ofClass(histogramSvg(options), "series")[0]!.text).toContain("2 values");
  });

  it("draws equal values and says so when there are none", () => {
    expectWellFormed(histogramSvg({ ...words, series: [{ name: "a", values: [3, 3, 3] }] }));
    expect(texts(histogramSvg({ ...words, series: [{ name: "a", values: [] }] }))).toContain("no data");
    expectWellFormed(
      histogramSvg({
        ...words,
        series: [
          { name: "a", values: [1, 2] },
          { name: "none", values: [] },
        ],
      }),
    );
  });

  it("refuses bins and ranges that are none", () => {
    const options = { ...words, series: [] };
    expect(() => histogramSvg({ ...options, bins: 0 })).toThrow(ConfigError);
    expect(() => histogramSvg({ ...options, range: [2, 2] })).toThrow("must be finite and increasing");
  });
});

describe("barChart", () => {
  it("draws bars whose lengths are the values' ratios", () => {
    const svg = barChart({
      title: "AP",
      labels: ["a", "b"],
      series: [
        { name: "x", values: [1, 4] },
        { name: "y", values: [2, 0] },
      ],
    });
    expectWellFormed(svg);
    const lengths = ofClass(svg, "bar").map(({ attributes }) => Number(attributes.width));
    expect(lengths[2]! / lengths[0]!).toBeCloseTo(4, 1);
    expect(lengths[1]! / lengths[0]!).toBeCloseTo(2, 1);
    expect(lengths[3]).toBe(0);
  });

  it("draws negative values to the left of zero", () => {
    const svg = barChart({ title: "Gain", labels: ["a", "b"], series: [{ name: "x", values: [-1, 1] }] });
    const [minus, plus] = ofClass(svg, "bar").map(({ attributes }) => Number(attributes.x));
    expect(minus).toBeLessThan(plus!);
    expect(texts(svg)).toContain("−1");
  });

  it("shows a value that is missing as a dash, and no bars as no data", () => {
    const svg = barChart({ title: "AP", labels: ["a", "b"], series: [{ name: "x", values: [Number.NaN, 1] }] });
    expectWellFormed(svg);
    expect(texts(svg)).toContain("–");
    expect(texts(barChart({ title: "AP", labels: [], series: [] }))).toContain("no data");
    expectWellFormed(barChart({ title: "AP", labels: ["a"], series: [{ name: "x", values: [Number.NaN] }] }));
  });

  it("refuses a series of another length", () => {
    expect(() => barChart({ title: "AP", labels: ["a"], series: [{ name: "x", values: [] }] })).toThrow(ShapeError);
  });
});

describe("matrixSvg", () => {
  const options = { title: "Similarity", rowLabels: ["a", "b"], columnLabels: ["c", "d", "e"] };

  it("draws one cell a value, stronger for greater ones, row by row", () => {
    const svg = matrixSvg({ ...options, values: [0, 0.2, 0.4, 0.6, 0.8, 1] });
    expectWellFormed(svg);
    const cells = ofClass(svg, "cell");
    expect(cells.map(({ attributes }) => Number(attributes["fill-opacity"]))).toEqual([0, 0.2, 0.4, 0.6, 0.8, 1]);
    expect(cells.map(({ text }) => text)).toEqual([
      "a, c: 0",
      "a, d: 0.2",
      "a, e: 0.4",
      "b, c: 0.6",
      "b, d: 0.8",
      "b, e: 1",
    ]);
    expect(cells[3]!.attributes.x).toBe(cells[0]!.attributes.x);
    expect(Number(cells[3]!.attributes.y)).toBeGreaterThan(Number(cells[0]!.attributes.y));
  });

  it("holds values outside the range at its ends, and marks those that are not finite", () => {
    const svg = matrixSvg({ ...options, values: [-5, 9, Number.NaN, 0, 0, 0], range: [0, 1] });
    expectWellFormed(svg);
    expect(
      ofClass(svg, "cell")
        .slice(0, 3)
        .map(({ attributes }) => attributes["fill-opacity"]),
    ).toEqual(["0", "1", "0"]);
    expect(texts(svg)).toContain("–");
  });

  it("draws equal values, a large matrix and an empty one", () => {
    expectWellFormed(matrixSvg({ ...options, values: new Array(6).fill(3) }));
    const names = Array.from({ length: 60 }, (_, i) => `image ${i}`);
    expectWellFormed(matrixSvg({ title: "M", rowLabels: names, columnLabels: names, values: new Float32Array(3600) }));
    expect(texts(matrixSvg({ title: "M", rowLabels: [], columnLabels: [], values: [] }))).toContain("no data");
  });

  it("refuses a wrong number of values", () => {
    expect(() => matrixSvg({ ...options, values: [1] })).toThrow("2 × 3 labels needs 6 values, got 1");
    expect(() => matrixSvg({ ...options, values: new Array(6).fill(0), digits: -1 })).toThrow(ConfigError);
  });
});

describe("every chart", () => {
  const draw = (name: string) => [
    lineChart({ title: name, xLabel: name, yLabel: name, series: [{ name, points: [[0, 1]] }] }),
    histogramSvg({ title: name, xLabel: name, yLabel: name, series: [{ name, values: [1, 2] }] }),
    barChart({
      title: name,
      labels: [name],
      series: [
        { name, values: [1] },
        { name, values: [2] },
      ],
      valueLabel: name,
    }),
    matrixSvg({ title: name, rowLabels: [name], columnLabels: [name], values: [1] }),
  ];

  it.each(HOSTILE)("shows hostile names as text: %j", (name) => {
    for (const svg of draw(name)) {
      expectWellFormed(svg);
      expectHarmless(svg);
    }
  });

  it("is named, scales with its container and repeats itself exactly", () => {
    for (const [i, svg] of draw("plain").entries()) {
      const { name, attributes } = elementsOf(svg)[0]!;
      expect([name, attributes.role, attributes["aria-label"]]).toEqual(["svg", "img", "plain"]);
      expect(attributes.viewBox).toBe(`0 0 ${attributes.width} ${attributes.height}`);
      expect(elementsOf(svg)[1]!.name).toBe("title");
      expect(draw("plain")[i]).toBe(svg);
    }
  });
});

describe("descriptions", () => {
  const described = (svg: string) => elementsOf(svg).find(({ name }) => name === "desc")?.text;

  it("say in words what there is to be read off", () => {
    expect(described(lineChart({ ...words, series }))).toBe(
      "easy: 4 at 0 to 1 at 2, between 1 and 4; busy: 5 at 0 to 2 at 2, between 2 and 5.",
    );
    expect(described(histogramSvg({ ...words, series: [{ name: "a", values: [1, 3] }] }))).toBe("a: 2 values, mean 2.");
    const bars = { title: "AP", labels: ["car", "tree"] };
    expect(described(barChart({ ...bars, series: [{ name: "AP", values: [0.5, Number.NaN] }] }))).toBe(
      "car: 0.5; tree: –.",
    );
    const matrix = { title: "M", values: [1, 0.5, 0.5, 1], rowLabels: ["a", "b"], columnLabels: ["a", "b"] };
    expect(described(matrixSvg(matrix))).toBe("2 rows, 2 columns, values from 0.5 to 1.");
  });
});

describe("matrixSvg's cells", () => {
  it("have the size that is asked for, and numbers only where they fit", () => {
    const matrix = { title: "M", values: [1, 0.5], rowLabels: ["a"], columnLabels: ["a", "b"] };
    const sides = (cell: number) => ofClass(matrixSvg({ ...matrix, cell }), "cell").map(({ attributes: a }) => a.width);
    expect(sides(30)).toEqual(["30", "30"]);
    expect(texts(matrixSvg({ ...matrix, cell: 30 }))).toContain("0.50");
    expect(texts(matrixSvg({ ...matrix, cell: 20 }))).not.toContain("0.50");
  });
});

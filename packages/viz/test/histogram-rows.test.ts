// Distributions one below the other: a common axis, heights as shares, the mean marked.
import { ConfigError } from "@caddet/core";
import { describe, expect, it } from "vitest";
import { histogramRowsSvg } from "../src";
import { elementsOf, expectHarmless, expectWellFormed, HOSTILE } from "./markup";

const words = { title: "Cost", xLabel: "MAdds" };
const of = (svg: string, name: string) => elementsOf(svg).filter(({ attributes }) => attributes.class === name);
/** Left end of a mean's mark. */
const meanAt = (points: string) => Number(points.split(" ")[0]!.split(",")[0]);

describe("histogramRowsSvg", () => {
  const rows = [
    { name: "easy", values: [1, 1, 1, 3] },
    { name: "busy", values: [5, 5] },
  ];

  it("has a row a distribution, in order, with means on a common axis", () => {
    const svg = histogramRowsSvg({ ...words, rows });
    expectWellFormed(svg);
    expect(of(svg, "series").map(({ text }) => text)).toEqual(["easy: 4 values, mean 1.5", "busy: 2 values, mean 5"]);
    const [easy, busy] = of(svg, "mean").map(({ attributes }) => meanAt(attributes.points!));
    expect(easy).toBeLessThan(busy!);
  });

  it("draws shares, so that rows of unlike size compare", () => {
    const path = (values: number[]) =>
      of(histogramRowsSvg({ ...words, rows: [{ name: "a", values }, rows[1]!] }), "series")[0]!.attributes.d;
    expect(path([1, 3])).toBe(path([1, 3, 1, 3, 1, 3]));
    expect(path([1, 3])).not.toBe(path([1, 1, 1, 3]));
  });

  it("leaves out what is not finite, and says so of a row and of a figure without values", () => {
    const svg = histogramRowsSvg({ ...words, rows: [rows[0]!, { name: "none", values: [Number.NaN] }] });
    expectWellFormed(svg);
    expect(of(svg, "series")).toHaveLength(1);
    expect(svg).toContain("none: no values");
    expect(histogramRowsSvg({ ...words, rows: [] })).toContain("no data");
    expectWellFormed(histogramRowsSvg({ ...words, rows: [{ name: "one", values: [7] }] }));
  });

  it.each(HOSTILE)("shows hostile names as text: %j", (name) => {
    const svg = histogramRowsSvg({ title: name, xLabel: name, rows: [{ name, values: [1, 2] }] });
    expectWellFormed(svg);
    expectHarmless(svg);
  });

  it.each([0, 1.5, 501])("refuses %d bins", (bins) => {
    expect(() => histogramRowsSvg({ ...words, rows, bins })).toThrow(ConfigError);
  });
});

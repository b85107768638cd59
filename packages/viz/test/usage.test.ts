// Node usage: one cell a node, stronger for greater rates, with the number besides; and routes without a legend of their own.
import { ConfigError, ShapeError } from "@caddet/core";
import { describe, expect, it } from "vitest";
import { type RouteSpace, routeLegendSvg, routeSvg, usageSvg } from "../src";
import { elementsOf, expectHarmless, expectWellFormed, HOSTILE } from "./markup";

const space: RouteSpace = {
  nodes: [
    { layer: 0, scale: 0 },
    { layer: 1, scale: 0 },
    { layer: 1, scale: 1 },
  ],
  paths: [
    { from: 0, to: 1, kind: "keep" },
    { from: 0, to: 2, kind: "down" },
    { from: 1, to: null, kind: "keep" },
    { from: 2, to: null, kind: "keep" },
  ],
};
const textsOf = (svg: string) =>
  elementsOf(svg)
    .filter(({ name }) => name === "text")
    .map(({ text }) => text);

describe("usageSvg", () => {
  it("has a cell a node at its layer and scale, as strong as its rate, and the percentage as text", () => {
    const svg = usageSvg(space, [1, 0.25, 0]);
    expectWellFormed(svg);
    const cells = elementsOf(svg).filter(({ attributes }) => attributes.class === "cell");
    expect(cells.map(({ attributes }) => Number(attributes["fill-opacity"]))).toEqual([1, 0.25, 0]);
    const [first, second, third] = cells.map(({ attributes: { x, y } }) => [Number(x), Number(y)] as const);
    expect(second![0]).toBeGreaterThan(first![0]);
    expect(second![1]).toBe(first![1]);
    expect(third![0]).toBe(second![0]);
    expect(third![1]).toBeGreaterThan(second![1]);
    expect(textsOf(svg)).toEqual(expect.arrayContaining(["100", "25", "0", "scale 1"]));
  });

  it("says the same in words", () => {
    const svg = usageSvg(space, [1, 0.25, 0], { title: "Busy", scaleLabels: ["stride 8", "stride 16"] });
    expect(elementsOf(svg)[0]!.attributes["aria-label"]).toBe("Busy");
    expect(elementsOf(svg).find(({ name }) => name === "desc")!.text).toBe(
      "Percentage of images by layer. stride 8: 100, 25; stride 16: 0.",
    );
  });

  it.each(HOSTILE)("shows hostile names as text: %j", (name) => {
    const svg = usageSvg(space, [1, 0, 0], { title: name, scaleLabels: [name, name] });
    expectWellFormed(svg);
    expectHarmless(svg);
  });

  it("draws an empty space as such, and refuses rates that do not fit", () => {
    expect(usageSvg({ nodes: [] }, [])).toContain("no nodes");
    expect(() => usageSvg(space, [1])).toThrow(ShapeError);
    expect(() => usageSvg(space, [1, 0, 1.5])).toThrow(ConfigError);
    expect(() => usageSvg(space, [1, Number.NaN, 0])).toThrow("got NaN for node 1");
  });
});

describe("routes side by side", () => {
  it("are narrower when compact, without a legend, and take a caption of their own", () => {
    const widthOf = (svg: string) => Number(elementsOf(svg)[0]!.attributes.width);
    const wide = {
      ...space,
      nodes: [...space.nodes, ...Array.from({ length: 14 }, (_, i) => ({ layer: 2 + i, scale: 0 }))],
    };
    const [plain, compact] = [false, true].map((is) =>
      routeSvg(wide, [1, 1, 1, 1], { compact: is, caption: "mean of 3" }),
    );
    expect(widthOf(compact!)).toBeLessThan(0.75 * widthOf(plain!));
    expect(textsOf(compact!)).toContain("mean of 3");
    expect(textsOf(compact!)).not.toContain("dropped");
    expect(textsOf(plain!)).toContain("dropped");
  });

  it("share a legend that fits a width", () => {
    const narrow = routeLegendSvg({ width: 300 });
    expectWellFormed(narrow);
    expect(textsOf(narrow)).toEqual(textsOf(routeLegendSvg({ width: 2000 })));
    const rows = (svg: string) =>
      new Set(elementsOf(svg).flatMap(({ attributes: a }) => a.transform?.match(/ (\d+)\)/)?.[1] ?? [])).size;
    expect(rows(routeLegendSvg({ width: 2000 }))).toBe(1);
    expect(rows(narrow)).toBeGreaterThan(1);
  });

  it("say in words which nodes run", () => {
    const svg = routeSvg(space, [1, 0, 0.5, 0]);
    expect(elementsOf(svg).find(({ name }) => name === "desc")!.text).toBe(
      "Layers whose nodes run, by scale. scale 0: 1, 2; scale 1: none.",
    );
  });
});

// Routes: what is drawn for each path and node, and how it follows the gates.
import { ConfigError, ShapeError } from "@caddet/core";
import { describe, expect, it } from "vitest";
import { type RouteSpace, routeSvg } from "../src";
import { elementsOf, expectHarmless, expectWellFormed, HOSTILE } from "./markup";

// Three layers, two scales: node 0 | 1, 2 | 3, 4.
const space: RouteSpace = {
  nodes: [
    { layer: 0, scale: 0 },
    { layer: 1, scale: 0 },
    { layer: 1, scale: 1 },
    { layer: 2, scale: 0 },
    { layer: 2, scale: 1 },
  ],
  paths: [
    { from: 0, to: 1, kind: "keep" },
    { from: 0, to: 2, kind: "down" },
    { from: 1, to: 3, kind: "keep" },
    { from: 1, to: 4, kind: "down" },
    { from: 2, to: 3, kind: "up" },
    { from: 2, to: 4, kind: "keep" },
    { from: 3, to: null, kind: "keep" },
    { from: 4, to: null, kind: "keep" },
  ],
};
const gates = [1, 0.2, 0, 0, 0.5, 0.9, 0.05, 1e-5];

const classed = (svg: string, name: string) =>
  elementsOf(svg).filter(({ attributes }) => attributes.class?.split(" ").includes(name));
const lineOf = (svg: string, path: number) =>
  classed(svg, "path").find(({ attributes }) => attributes["data-path"] === String(path))!.attributes;

describe("routeSvg", () => {
  it("draws one line a path and one circle a node", () => {
    const svg = routeSvg(space, gates);
    expect(
      classed(svg, "path")
        .map(({ attributes }) => attributes["data-path"])
        .sort(),
    ).toEqual([..."01234567"]);
    expect(classed(svg, "node")).toHaveLength(5);
    expectWellFormed(svg);
  });

  it("makes wider and stronger lines for greater gates", () => {
    const steps = Array.from({ length: 21 }, (_, i) => i / 20);
    const looks = steps.map((gate) => lineOf(routeSvg(space, [gate, ...gates.slice(1)]), 0));
    for (const attribute of ["stroke-width", "stroke-opacity"] as const) {
      const values = looks.map((look) => Number(look[attribute]));
      for (let i = 1; i < values.length; i++) expect(values[i]!).toBeGreaterThan(values[i - 1]!);
    }
  });

  it("tells open from closed by the threshold", () => {
    expect(classed(routeSvg(space, gates), "open")).toHaveLength(5);
    expect(classed(routeSvg(space, gates, { threshold: 0.3 }), "open")).toHaveLength(3);
    expect(classed(routeSvg(space, gates, { threshold: 0 }), "open")).toHaveLength(8);
  });

  it("leaves dropped nodes hollow and passes their input on along keep", () => {
    const svg = routeSvg(space, gates);
    const nodes = classed(svg, "node").map(({ attributes }) => attributes.fill);
    expect(nodes).toEqual(["currentColor", "none", "currentColor", "currentColor", "none"]);
    expect(
      classed(svg, "passed")
        .map(({ attributes }) => attributes["data-path"])
        .sort(),
    ).toEqual(["2", "7"]);
  });

  it("puts layers into columns, scales into rows, and joins the right nodes", () => {
    const svg = routeSvg(space, gates);
    const at = classed(svg, "node").map(({ attributes }) => [Number(attributes.cx), Number(attributes.cy)] as const);
    expect(at[1]![1]).toBe(at[0]![1]);
    expect(at[2]![1]).toBeGreaterThan(at[1]![1]);
    expect(at[3]![0] - at[1]![0]).toBeCloseTo(at[1]![0] - at[0]![0], 6);
    for (const [i, { from, to }] of space.paths.entries()) {
      const { x1, y1, x2, y2 } = lineOf(svg, i);
      const middle = [(Number(x1) + Number(x2)) / 2, (Number(y1) + Number(y2)) / 2] as const;
      if (to !== null) {
        expect(middle[0]).toBeCloseTo((at[from]![0] + at[to]![0]) / 2, 1);
        expect(middle[1]).toBeCloseTo((at[from]![1] + at[to]![1]) / 2, 1);
      } else {
        expect(Number(x2)).toBeGreaterThan(at[from]![0]);
        expect(Number(y2)).toBe(at[from]![1]);
      }
    }
  });

  it("captions MAdds, their share and the counts", () => {
    const label = (svg: string) => elementsOf(svg)[0]!.attributes["aria-label"];
    expect(label(routeSvg(space, gates, { title: "A", madds: 3.725e9, totalMadds: 6.234e9 }))).toBe(
      "A: 3.73 G MAdds (60% of 6.23 G) · 5 of 8 paths open, 3 of 5 nodes run",
    );
    expect(label(routeSvg(space, gates, { madds: 412e6 }))).toContain("412 M MAdds · 5 of 8");
    expect(label(routeSvg(space, gates))).toBe("Route: 5 of 8 paths open, 3 of 5 nodes run");
  });

  it("gives the same string for the same input, and leaves the input alone", () => {
    const own = Float32Array.from(gates);
    expect(routeSvg(space, own)).toBe(routeSvg(space, own));
    expect([...own]).toEqual([...Float32Array.from(gates)]);
  });

  it.each(HOSTILE)("shows hostile names as text: %j", (name) => {
    const svg = routeSvg(space, gates, { title: name, scaleLabels: [name, name] });
    expectWellFormed(svg);
    expectHarmless(svg);
  });

  it("draws an empty space as such", () => {
    const svg = routeSvg({ nodes: [], paths: [] }, []);
    expectWellFormed(svg);
    expect(svg).toContain("no nodes");
  });

  it("refuses gates and spaces that do not fit, and says why", () => {
    expect(() => routeSvg(space, [1, 1])).toThrow(ShapeError);
    expect(() => routeSvg(space, [1, 1])).toThrow("has 8 paths, got 2 gates");
    expect(() => routeSvg(space, [Number.NaN, ...gates.slice(1)])).toThrow("got NaN for path 0");
    expect(() => routeSvg(space, [...gates.slice(0, 7), 1.5])).toThrow(ConfigError);
    const astray = { nodes: space.nodes, paths: [{ from: 0, to: 9, kind: "keep" as const }] };
    expect(() => routeSvg(astray, [1])).toThrow("leads from node 0 to 9, but there are 5 nodes");
  });
});

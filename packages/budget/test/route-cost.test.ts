import { ConfigError, ShapeError } from "@caddet/core";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { executedCost, totalCost } from "../src";
import { cases } from "./goldens";

describe("executedCost", () => {
  it.each(cases)("equals the reference: $name", (golden) => {
    const cost = { node: golden.nodeCost, path: golden.pathCost };
    const got = executedCost(Float32Array.from(golden.gates), golden.nodeOfPath, cost, golden.tau);
    expect(totalCost(cost)).toBe(golden.total);
    expect(got.length).toBe(golden.images);
    for (const [b, want] of golden.executed.entries()) expect(got[b]! / golden.total).toBeCloseTo(want, 6);
  });

  it("is 0 with all paths closed, the total with all open, and never falls when a path opens", () => {
    const network = fc.integer({ min: 1, max: 5 }).chain((n) =>
      fc.record({
        node: fc.array(fc.nat(100), { minLength: n, maxLength: n }),
        // Every node has a path; the others leave random nodes, in any order.
        more: fc.array(fc.record({ owner: fc.nat(n - 1), cost: fc.nat(100), open: fc.boolean() }), { maxLength: 8 }),
      }),
    );
    fc.assert(
      fc.property(network, fc.nat(), ({ node, more }, pick) => {
        const paths = [...more, ...node.map((_, owner) => ({ owner, cost: owner, open: false }))];
        const owners = paths.map((path) => path.owner);
        const cost = { node, path: paths.map((path) => path.cost) };
        const gates: number[] = paths.map((path) => (path.open ? 0.5 : 0));
        const [some] = executedCost(gates, owners, cost);
        const opened = gates.with(pick % gates.length, 1);
        expect(executedCost(opened, owners, cost)[0]).toBeGreaterThanOrEqual(some!);
        expect(
          executedCost(
            gates.map(() => 0),
            owners,
            cost,
          )[0],
        ).toBe(0);
        expect(
          executedCost(
            gates.map(() => 1),
            owners,
            cost,
          )[0],
        ).toBe(totalCost(cost));
      }),
    );
  });

  it("opens a path at tau, not below", () => {
    const cost = { node: [10], path: [1, 2] };
    expect(executedCost([0.5, 0.49], [0, 0], cost, 0.5)).toEqual(Float64Array.from([11]));
    expect(executedCost([1e-4, 0.9e-4], [0, 0], cost)).toEqual(Float64Array.from([11]));
  });

  it("refuses what does not fit", () => {
    expect(() => executedCost([1, 1, 1], [0, 0], { node: [1], path: [1, 1] })).toThrow(
      "gates [B * 2] for 2 paths, got 3",
    );
    expect(() => executedCost([1], [0], { node: [1], path: [1, 1] })).toThrow(ShapeError);
    expect(() => executedCost([1], [1], { node: [1], path: [1] })).toThrow("Path 0 leaves node 1");
    expect(() => executedCost([1], [0], { node: [1, 2], path: [1] })).toThrow("Node 1 has no path");
    expect(() => executedCost([], [], { node: [], path: [] })).toThrow(ShapeError);
    expect(() => executedCost([1], [0], { node: [-1], path: [1] })).toThrow(ConfigError);
  });
});

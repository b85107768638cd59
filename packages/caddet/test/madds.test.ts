import { describe, expect, it } from "vitest";
import { call, errorOf } from "./call";

describe("caddet madds", () => {
  it("counts the paper's network at 640 x 800", async () => {
    const { code, json } = await call("madds", "--json", "--preset", "paper", "--size", "640x800");
    expect(code).toBe(0);
    const cost = json() as Record<"total" | "blocks" | "paths", number> & { nodes: unknown[] };
    expect(Object.keys(cost).sort()).toEqual(["blocks", "nodes", "paths", "pyramid", "routers", "stem", "total"]);
    expect(cost.total).toBe(5443061760);
    expect(cost.total).toBe(cost.blocks + cost.paths);
    expect(cost.nodes).toHaveLength(58);
  });

  it("lists every node, whose parts add up", async () => {
    const cost = (await call("madds", "--json", "--preset", "tiny", "--size", "64x96")).json() as {
      blocks: number;
      paths: number;
      routers: number;
      nodes: { block: number; router: number; paths: Record<string, number> }[];
    };
    const sum = (values: number[]) => values.reduce((a, b) => a + b, 0);
    expect(sum(cost.nodes.map(({ block }) => block))).toBe(cost.blocks);
    expect(sum(cost.nodes.map(({ router }) => router))).toBe(cost.routers);
    expect(sum(cost.nodes.flatMap(({ paths }) => Object.values(paths)))).toBe(cost.paths);
  });

  it("takes the paper's network and size by default, and prints a table", async () => {
    const { out } = await call("madds");
    expect(out).toMatch(/^paper at 640x800, batch 1, all paths open, in million MAdds\n/);
    expect(out).toMatch(/^layer 0 scale 0 +\d/m);
    expect(out).toMatch(/^total +5443\.06$/m);
  });

  it.each([
    [["--preset", "huge"], 'There is no preset "huge". Known are paper, small, tiny.'],
    [["--preset", "toString"], 'There is no preset "toString".'],
    [["--size", "640"], '--size takes HEIGHTxWIDTH in pixels, e.g. 640x800, got "640".'],
    [["--size", "0x9"], "The input size must be positive integers, got 0 x 9."],
  ])("refuses %j", async (args, message) => {
    expect(errorOf(await call("madds", ...args))).toContain(message);
  });
});

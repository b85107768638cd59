import { ConfigError, ShapeError } from "@caddet/core";
import { describe, expect, it } from "vitest";
import { createRoutingSpace, PRESETS, scaleSizes, supernetCost } from "../src";

describe("createRoutingSpace", () => {
  it("lays out the paper's triangular grid", () => {
    const space = createRoutingSpace(PRESETS.paper);
    expect(space.nodes).toHaveLength(1 + 2 + 3 + 13 * 4);
    // one path less at either end of the scales; the last layer keeps only
    expect(space.paths).toHaveLength(2 + (2 + 3) + (2 + 3 + 3) + 12 * (2 + 3 + 3 + 2) + 4);
    for (const { kind, from, to } of space.paths) {
      const node = space.nodes[from]!;
      if (to === null) {
        expect([node.layer, kind]).toEqual([15, "keep"]);
        continue;
      }
      const step = { up: -1, keep: 0, down: 1 }[kind];
      expect(space.nodes[to]).toMatchObject({ layer: node.layer + 1, scale: node.scale + step });
    }
    expect(space.nodeOfPath).toEqual(space.paths.map((p) => p.from));
  });

  it("refuses shapes that cannot be", () => {
    expect(() => createRoutingSpace({ ...PRESETS.tiny, layers: 3 })).toThrow(/cannot reach 4 scales/);
    expect(() => createRoutingSpace({ ...PRESETS.tiny, layers: 4.5 })).toThrow(ConfigError);
    expect(() => createRoutingSpace({ ...PRESETS.tiny, channels: [] })).toThrow(ConfigError);
    expect(() => createRoutingSpace({ ...PRESETS.tiny, sepConvs: 0 })).toThrow(/sepConvs/);
  });
});

describe("scaleSizes", () => {
  it("rounds every halving up", () => {
    expect(scaleSizes({ height: 104, width: 136 }, 4)).toEqual([
      [13, 17],
      [7, 9],
      [4, 5],
      [2, 3],
    ]);
  });
});

describe("supernetCost", () => {
  // Counted by hand at 640 × 800: maps of 80 × 100, 40 × 50, 20 × 25 and 10 × 13 cells. A node's block is n separable convolutions of
  // cells · (9 C + C²); up is cells · C · C/2; down is (cells of the coarser map) · C · 2C.
  const cells = [8000, 2000, 500, 130];
  const hand = (preset: keyof typeof PRESETS) => {
    const { channels, sepConvs } = PRESETS[preset];
    return channels.map((c, s) => ({
      block: sepConvs * cells[s]! * (9 * c + c * c),
      up: s > 0 ? cells[s]! * c * (c / 2) : undefined,
      keep: 0,
      down: s < 3 ? cells[s + 1]! * c * 2 * c : undefined,
    }));
  };

  it.each(["paper", "small", "tiny"] as const)("counts %s node by node", (preset) => {
    const { layers } = PRESETS[preset];
    const cost = supernetCost(createRoutingSpace(PRESETS[preset]), { height: 640, width: 800 });
    const scales = hand(preset);
    let total = 0;
    for (const { layer, scale, block, paths } of cost.nodes) {
      const want = scales[scale]!;
      expect(block).toBe(want.block);
      if (layer === layers - 1) expect(paths).toEqual({ keep: 0 });
      else
        expect({ up: undefined, down: undefined, ...paths }).toEqual(want && { up: want.up, keep: 0, down: want.down });
      total += block + (paths.up ?? 0) + (paths.down ?? 0);
    }
    expect(cost.total).toBe(total);
    expect(cost.blocks + cost.paths).toBe(total);
  });

  it("comes to the paper's totals", () => {
    const { total, stem, routers, pyramid } = supernetCost(createRoutingSpace(PRESETS.paper), {
      height: 640,
      width: 800,
    });
    expect(total).toBe(5_443_061_760);
    // with stem and routers: 5.67 G, as independently counted for two separable convolutions on the triangular grid
    expect((total + stem + routers) / 1e6).toBeCloseTo(5667, -1);
    // 320·400·(27 + 192) + 160·200·(576 + 4096) + 80·100·(576 + 4096)
    expect(stem).toBe(28_032_000 + 149_504_000 + 37_376_000);
    // 8000·64·256 + 2000·128·256 + 500·256·256 + 130·512·256 + 5·7·9·256·256
    expect(pyramid).toBe(131_072_000 + 65_536_000 + 32_768_000 + 17_039_360 + 20_643_840);
    // 4·C·C/2 + C/2·K for 15 · 2, 14 · 3, 13 · 3, 12 · 2 gates and one in each node of the last layer
    expect(routers).toBe(
      16 * 8192 +
        32 * (15 * 2 + 1) +
        15 * 32768 +
        64 * (14 * 3 + 1) +
        14 * 131072 +
        128 * (13 * 3 + 1) +
        13 * 524288 +
        256 * (12 * 2 + 1),
    );
  });

  it("refuses sizes that are not positive integers", () => {
    const space = createRoutingSpace(PRESETS.tiny);
    for (const height of [0, -1, 1.5, Number.NaN]) {
      expect(() => supernetCost(space, { height, width: 8 })).toThrow(ShapeError);
    }
  });
});

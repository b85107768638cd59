// Edge density: patterns whose share of edges is known, padding, and images that do not fit.
import { ShapeError } from "@caddet/core";
import { describe, expect, it } from "vitest";
import { edgeDensity } from "../src/edge-density";

// Brightness `of(x, y)` on all three channels.
function picture(height: number, width: number, of: (x: number, y: number) => number): Float32Array {
  const at = (i: number) => of(Math.floor(i / 3) % width, Math.floor(i / 3 / width));
  return Float32Array.from({ length: height * width * 3 }, (_, i) => at(i));
}

describe("edgeDensity", () => {
  it("is 0 for a plain image and 1 for a chequered one", () => {
    expect(
      edgeDensity(
        picture(5, 7, () => 3),
        { height: 5, width: 7 },
      ),
    ).toBe(0);
    expect(
      edgeDensity(
        picture(5, 7, (x, y) => (x + y) % 2),
        { height: 5, width: 7 },
      ),
    ).toBe(1);
    expect(edgeDensity(Float32Array.of(1, 2, 3), { height: 1, width: 1 })).toBe(0);
  });

  it("counts the pairs across an edge among all pairs", () => {
    const halves = picture(4, 6, (x) => (x < 3 ? 0 : 1));
    expect(edgeDensity(halves, { height: 4, width: 6 })).toBeCloseTo(4 / (4 * 5 + 3 * 6), 10);
    expect(edgeDensity(halves, { height: 4, width: 6, contrast: 1 })).toBe(0);
  });

  it("looks at brightness, whatever the sign, and not at a constant added to it", () => {
    const noise = picture(6, 6, (x, y) => ((x * 7 + y * 13) % 5) / 5);
    const own = edgeDensity(noise, { height: 6, width: 6 });
    expect(own).toBeGreaterThan(0);
    expect(
      edgeDensity(
        noise.map((v) => -v),
        { height: 6, width: 6 },
      ),
    ).toBe(own);
    expect(
      edgeDensity(
        noise.map((v) => v + 2),
        { height: 6, width: 6 },
      ),
    ).toBe(own);
  });

  it("leaves padding out", () => {
    const padded = picture(6, 8, (x, y) => (x < 5 && y < 4 ? 1 : 0));
    expect(edgeDensity(padded, { height: 4, width: 5, stride: 8 })).toBe(0);
    expect(edgeDensity(padded, { height: 4, width: 6, stride: 8 })).toBeGreaterThan(0);
  });

  it("refuses an image that does not fit its pixels", () => {
    const pixels = new Float32Array(12);
    expect(() => edgeDensity(pixels, { height: 2, width: 3 })).toThrow(ShapeError);
    expect(() => edgeDensity(pixels, { height: 1, width: 3, stride: 2 })).toThrow(/1 x 3 pixels/);
  });
});

import { ConfigError, createRandom, ShapeError } from "@caddet/core";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { createGateHealth, gateStatistics } from "../src";

const kinds = (health: ReturnType<typeof createGateHealth>) => health.report().warnings.map(({ kind }) => kind);
const warning = (health: ReturnType<typeof createGateHealth>, kind: string) =>
  health.report().warnings.find((w) => w.kind === kind);

describe("createGateHealth", () => {
  it("finds nothing wrong with routes that differ", () => {
    const random = createRandom(1);
    const health = createGateHealth({ paths: 6, window: 32 });
    for (let i = 0; i < 10; i++) {
      health.add(Float32Array.from({ length: 24 }, () => (random.next() < 0.5 ? 0 : 0.2 + random.next() / 2)));
    }
    expect(health.report().warnings).toEqual([]);
  });

  it("counts the images of the window only, as gateStatistics does, however they are batched", () => {
    const rows = fc.array(fc.array(fc.constantFrom(0, 0.5, 1), { minLength: 3, maxLength: 3 }), {
      minLength: 1,
      maxLength: 30,
    });
    fc.assert(
      fc.property(rows, fc.integer({ min: 1, max: 12 }), fc.integer({ min: 1, max: 5 }), (images, window, batch) => {
        const health = createGateHealth({ paths: 3, window });
        for (let i = 0; i < images.length; i += batch) health.add(images.slice(i, i + batch).flat());
        const want = gateStatistics(images.slice(-window).flat(), { paths: 3 });
        const got = health.report();
        expect(got.images).toBe(want.images);
        expect(got.openRate).toEqual(want.openRate);
        expect(got.entropy).toEqual(want.entropy);
      }),
    );
  });

  it("is silent until the window is full", () => {
    const health = createGateHealth({ paths: 1, window: 3 });
    expect(health.report()).toEqual({
      images: 0,
      openRate: new Float64Array(1),
      entropy: new Float64Array(1),
      warnings: [],
    });
    health.add([0, 0]);
    expect(kinds(health)).toEqual([]);
    health.add([0]);
    expect(kinds(health)).toContain("always-closed");
  });

  it("names the paths that are always closed and always open, in one sentence", () => {
    const health = createGateHealth({ paths: 3, window: 2, names: ["a keep", "b up", "b keep"] });
    health.add([0.5, 0.00001, 0.5, 0.4, 0.00002, 0]);
    expect(warning(health, "always-open")).toEqual({
      kind: "always-open",
      paths: [0],
      message: "1 of 3 paths are open for all of the last 2 images: a keep.",
    });
    expect(warning(health, "always-closed")?.message).toBe(
      "1 of 3 paths are closed for all of the last 2 images: b up.",
    );
    expect(kinds(health)).not.toContain("equal-routes");
  });

  it("lists the first five of many paths", () => {
    const health = createGateHealth({ paths: 7, window: 1 });
    health.add(new Float32Array(7).fill(0.5));
    expect(warning(health, "always-open")?.message).toMatch(/: path 0, path 1, path 2, path 3, path 4, …\.$/);
    expect(warning(health, "always-open")?.paths).toEqual([0, 1, 2, 3, 4, 5, 6]);
  });

  it("tells gates without slope from low ones", () => {
    const health = createGateHealth({ paths: 4, window: 2 });
    health.add([0, 0.00001, 0.9999999, 0.99, 0, 0.00001, 1, 0]);
    expect(warning(health, "saturated")?.paths).toEqual([0, 2]);
    const binary = createGateHealth({ paths: 2, window: 2, binary: true });
    binary.add([0, 1, 1, 0]);
    expect(kinds(binary)).toEqual([]);
  });

  it("sees that all images take one route, even where their soft gates differ", () => {
    const health = createGateHealth({ paths: 2, window: 3 });
    health.add([0.1, 0, 0.5, 0, 0.9, 0]);
    expect(kinds(health)).toEqual(["always-closed", "always-open", "saturated", "equal-routes"]);
    expect(warning(health, "equal-routes")?.paths).toEqual([0, 1]);
  });

  it("sees that routes hardly depend on the image, and recovers", () => {
    const health = createGateHealth({ paths: 2, window: 200 });
    const rows = (n: number, row: number[]) => Array.from({ length: n }, () => row).flat();
    health.add([...rows(199, [0.5, 0.5]), 0.5, 0]);
    expect(kinds(health)).toEqual(["always-open", "image-independent"]);
    expect(kinds(createFrom(0.01, [...rows(199, [0.5, 0.5]), 0.5, 0]))).toEqual(["always-open"]);
    health.add(rows(100, [0, 0.5]));
    expect(kinds(health)).toEqual([]);
  });

  const createFrom = (minEntropy: number, gates: number[]) => {
    const health = createGateHealth({ paths: 2, window: gates.length / 2, minEntropy });
    health.add(gates);
    return health;
  };

  it("refuses wrong options, and takes no gate of a batch with a wrong one", () => {
    expect(() => createGateHealth({ paths: 0 })).toThrow(ConfigError);
    expect(() => createGateHealth({ paths: 1, window: 2.5 })).toThrow("whole number of window");
    expect(() => createGateHealth({ paths: 2, names: ["a"] })).toThrow("a name for each of 2 paths, got 1");
    const health = createGateHealth({ paths: 2, window: 4 });
    expect(() => health.add([0, 1, 0.5, Number.NaN])).toThrow("Gate 1 of image 1 is NaN");
    expect(() => health.add([1])).toThrow(ShapeError);
    expect(() => health.add([])).toThrow(ShapeError);
    expect(health.report().images).toBe(0);
  });

  it.each([1, 10_000])("watches %d paths", (paths) => {
    const health = createGateHealth({ paths, window: 64 });
    health.add(Float32Array.from({ length: 64 * paths }, (_, i) => (i < paths ? 0 : 0.5)));
    expect(kinds(health)).toEqual([]);
    health.add(new Float32Array(paths).fill(0.5));
    expect(warning(health, "equal-routes")?.paths).toHaveLength(paths);
  });
});

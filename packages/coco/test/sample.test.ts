import { ConfigError, createRandom, type GroundTruth, ShapeError } from "@caddet/core/base";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import {
  compose,
  cropSample,
  mapBoxes,
  minIouCrop,
  mirrorSample,
  mosaic,
  multiScale,
  newSample,
  normaliseImage,
  padImage,
  photometricDistortion,
  randomFlip,
  resizeImage,
  type Sample,
  type Transform,
  unmapBoxes,
} from "../src/index";

const side = fc.integer({ min: 4, max: 40 });

function truthOf(boxes: readonly number[]): GroundTruth {
  const labels = Int32Array.from({ length: boxes.length / 4 }, (_, n) => n);
  return { boxes: Float32Array.from(boxes), labels, crowd: new Uint8Array(labels.length) };
}

// Pixels that differ from place to place: red counts columns, green rows, blue both.
function drawSample(height: number, width: number, boxes: readonly number[] = []): Sample {
  const rgb = new Uint8Array(height * width * 3);
  for (let y = 0; y < height; y++) {
    for (let x = 0; x < width; x++) rgb.set([x * 5, y * 5, (x + y) * 3], (y * width + x) * 3);
  }
  return newSample(rgb, { height, width }, truthOf(boxes));
}

// Images with up to four boxes in whole pixels.
const samples = fc.tuple(side, side).chain(([height, width]) => {
  const span = (most: number) =>
    fc.tuple(fc.nat(most - 1), fc.nat(most - 1)).map(([a, b]) => [Math.min(a, b), Math.max(a, b) + 1] as const);
  return fc.array(fc.tuple(span(width), span(height)), { maxLength: 4 }).map((list) =>
    drawSample(
      height,
      width,
      list.flatMap(([x, y]) => [x[0], y[0], x[1], y[1]]),
    ),
  );
});
const seeds = fc.integer();

const transforms: Record<string, Transform> = {
  resizeImage: resizeImage({ shorter: 30, longer: 50 }),
  multiScale: multiScale([
    { shorter: 10, longer: 20 },
    { shorter: 24, longer: 60 },
  ]),
  "multiScale, range": multiScale(
    [
      { shorter: 10, longer: 40 },
      { shorter: 24, longer: 60 },
    ],
    "range",
  ),
  randomFlip: randomFlip(),
  padImage: padImage(16),
  normaliseImage: normaliseImage(),
  photometricDistortion: photometricDistortion(),
  minIouCrop: minIouCrop(),
  mosaic: mosaic({ size: { height: 20, width: 24 } }),
  "all of them": compose(
    photometricDistortion(),
    mosaic({ size: { height: 20, width: 24 } }),
    minIouCrop(),
    resizeImage({ shorter: 30, longer: 50 }),
    randomFlip(),
    normaliseImage(),
    padImage(16),
  ),
};

function run(transform: Transform, sample: Sample, seed: number): Sample {
  const others = [drawSample(9, 20, [1, 2, 5, 6]), drawSample(30, 8), drawSample(12, 12, [0, 0, 12, 12])];
  return transform(sample, createRandom(seed), others.slice(0, transform.others ?? 0));
}

describe.each(Object.entries(transforms))("%s", (_, transform) => {
  it("gives values for its size and boxes within it, and leaves its input as it was", () => {
    fc.assert(
      fc.property(samples, seeds, (sample, seed) => {
        const before = structuredClone(sample);
        const { rgb, size, truth } = run(transform, sample, seed);
        expect(rgb.length).toBe(size.height * size.width * 3);
        expect(truth.boxes.length).toBe(truth.labels.length * 4);
        expect(truth.crowd.length).toBe(truth.labels.length);
        for (let i = 0; i < truth.boxes.length; i += 4) {
          const [x1, y1, x2, y2] = truth.boxes.subarray(i, i + 4);
          expect(0 <= x1! && x1! < x2! && x2! <= size.width).toBe(true);
          expect(0 <= y1! && y1! < y2! && y2! <= size.height).toBe(true);
        }
        expect(sample).toEqual(before);
      }),
      { numRuns: 40 },
    );
  });

  it("is a function of sample and seed", () => {
    fc.assert(
      fc.property(samples, seeds, (sample, seed) => {
        expect(run(transform, sample, seed)).toEqual(run(transform, sample, seed));
      }),
      { numRuns: 20 },
    );
  });

  // A tile's boxes are looked for by label and tile: labels of the other images start at 0 as well, so boxes are compared as a set.
  it("has a map that brings its boxes back", () => {
    fc.assert(
      fc.property(samples, seeds, (sample, seed) => {
        const { truth, map, tiles, size } = run(transform, sample, seed);
        if (tiles) return;
        const back = unmapBoxes(truth.boxes, map);
        const there = mapBoxes(sample.truth.boxes, map);
        truth.labels.forEach((label, n) => {
          for (let i = 0; i < 4; i++) {
            const bound = i % 2 === 0 ? size.width : size.height;
            const mapped = there[label * 4 + i]!;
            // A side that was cut lies at the border instead.
            expect(truth.boxes[n * 4 + i]).toBeCloseTo(Math.min(Math.max(mapped, 0), bound), 3);
            if (mapped >= 0 && mapped <= bound)
              expect(back[n * 4 + i]).toBeCloseTo(sample.truth.boxes[label * 4 + i]!, 3);
          }
        });
      }),
      { numRuns: 40 },
    );
  });
});

describe("exact inverses", () => {
  it("bring whole-pixel boxes back bit for bit after flips, crops, padding and whole scales", () => {
    fc.assert(
      fc.property(samples, fc.integer({ min: 1, max: 4 }), fc.nat(3), fc.nat(3), (sample, k, left, top) => {
        const { height, width } = sample.size;
        const crop = { left: Math.min(left, width - 1), top: Math.min(top, height - 1) };
        const cut = cropSample(sample, { ...crop, width: width - crop.left, height: height - crop.top });
        const shorter = Math.min(cut.size.height, cut.size.width) * k;
        const scaled = resizeImage({ shorter, longer: Math.max(cut.size.height, cut.size.width) * k })(
          mirrorSample(cut),
          createRandom(0),
        );
        const done = padImage(32)(scaled, createRandom(0));
        expect(done.map.scaleX).toBe(k);
        expect(unmapBoxes(mapBoxes(sample.truth.boxes, done.map), done.map)).toEqual(sample.truth.boxes);
        done.truth.labels.forEach((label, n) => {
          const back = unmapBoxes(done.truth.boxes, done.map).subarray(n * 4, n * 4 + 4);
          const [x1, y1, x2, y2] = sample.truth.boxes.subarray(label * 4, label * 4 + 4);
          expect([...back]).toEqual([Math.max(x1!, crop.left), Math.max(y1!, crop.top), x2, y2]);
        });
      }),
    );
  });

  it("bring a mosaic's boxes back to each image", () => {
    fc.assert(
      fc.property(samples, seeds, (sample, seed) => {
        const others = [drawSample(9, 20), drawSample(30, 8), drawSample(12, 12)];
        const made = mosaic({ size: { height: 20, width: 24 } })(sample, createRandom(seed), others);
        const [own] = made.tiles!;
        const there = mapBoxes(sample.truth.boxes, own!.map);
        expect(made.truth.labels.length).toBeLessThanOrEqual(sample.truth.labels.length);
        made.truth.labels.forEach((label, n) => {
          for (let i = 0; i < 4; i++) {
            const side = i % 2 === 0 ? made.size.width : made.size.height;
            expect(made.truth.boxes[n * 4 + i]).toBeCloseTo(Math.min(Math.max(there[label * 4 + i]!, 0), side), 3);
          }
        });
        const back = unmapBoxes(there, own!.map);
        back.forEach((v, i) => {
          expect(v).toBeCloseTo(sample.truth.boxes[i]!, 3);
        });
      }),
      { numRuns: 40 },
    );
  });
});

describe("resizeImage", () => {
  it("keeps an image of the size asked for, and puts a ramp between pixel centres", () => {
    const sample = drawSample(10, 20);
    expect(resizeImage({ shorter: 10, longer: 20 })(sample, createRandom(0)).rgb).toBe(sample.rgb);
    const twice = resizeImage({ shorter: 20, longer: 40 })(sample, createRandom(0));
    // Red at column x is 5 times the source's column x / 2 - 1 / 4, at the ends that of the outermost pixel.
    const red = Array.from({ length: 6 }, (_, x) => twice.rgb[x * 3]);
    expect(red).toEqual([0, 1, 4, 6, 9, 11]);
    expect(twice.rgb[39 * 3]).toBe(95);
  });

  it("keeps floats as they are, unrounded", () => {
    const { rgb, size, truth } = drawSample(10, 20);
    const twice = resizeImage({ shorter: 20, longer: 40 })(
      newSample(Float32Array.from(rgb), size, truth),
      createRandom(0),
    );
    expect(Array.from({ length: 4 }, (_, x) => twice.rgb[x * 3])).toEqual([0, 1.25, 3.75, 6.25]);
  });
});

describe("multiScale", () => {
  const sizes = [
    { shorter: 10, longer: 40 },
    { shorter: 12, longer: 40 },
  ];
  const heights = (transform: Transform) =>
    new Set(Array.from({ length: 200 }, (_, seed) => transform(drawSample(10, 10), createRandom(seed)).size.height));

  it("takes each of the sizes, or all between two", () => {
    expect([...heights(multiScale(sizes))].sort()).toEqual([10, 12]);
    expect([...heights(multiScale(sizes, "range"))].sort()).toEqual([10, 11, 12]);
  });

  it("refuses none, a range of one, and a range that crosses", () => {
    expect(() => multiScale([])).toThrow(ConfigError);
    expect(() => multiScale(sizes.slice(0, 1), "range")).toThrow("between two sizes");
    const crossing = [
      { shorter: 10, longer: 20 },
      { shorter: 30, longer: 40 },
    ];
    expect(() => multiScale(crossing, "range")).toThrow(ConfigError);
  });
});

describe("randomFlip", () => {
  it("mirrors about as often as asked, and twice is nothing", () => {
    const sample = drawSample(4, 5, [1, 0, 3, 2]);
    const mirrored = mirrorSample(sample);
    expect([...mirrored.truth.boxes]).toEqual([2, 0, 4, 2]);
    expect(mirrored.rgb[0]).toBe(20);
    expect(mirrorSample(mirrored)).toEqual(sample);
    const flips = Array.from({ length: 1000 }, (_, seed) => randomFlip(0.3)(sample, createRandom(seed)).map.mirrored);
    expect(Math.abs(flips.filter(Boolean).length / 1000 - 0.3)).toBeLessThan(0.05);
    expect(() => randomFlip(2)).toThrow("probability from 0 to 1");
  });
});

describe("padImage", () => {
  it("adds at the right and the bottom alone", () => {
    const padded = padImage(8, 7)(drawSample(4, 5), createRandom(0));
    expect(padded.size).toEqual({ height: 8, width: 8 });
    expect([...padded.rgb.subarray(4 * 3, 6 * 3)]).toEqual([20, 0, 12, 7, 7, 7]);
    expect([...padded.rgb.subarray(4 * 8 * 3)].every((v) => v === 7)).toBe(true);
    expect(() => padImage(0)).toThrow(ConfigError);
    expect(() => padImage(8, Number.NaN)).toThrow(ConfigError);
  });
});

describe("photometricDistortion", () => {
  // 8 × 8, one colour.
  const plain = (r: number, g: number, b: number) =>
    newSample(
      Uint8Array.from({ length: 192 }, (_, i) => [r, g, b][i % 3]!),
      { height: 8, width: 8 },
      truthOf([]),
    );
  const pixels = (options: Parameters<typeof photometricDistortion>[0], sample: Sample) =>
    Array.from({ length: 300 }, (_, seed) => [
      ...photometricDistortion(options)(sample, createRandom(seed)).rgb.subarray(0, 3),
    ]);
  const still = { brightness: 0, contrast: [1, 1], saturation: [1, 1], hue: 0 } as const;
  const sorted = (pixel: readonly number[]) => [...pixel].sort((a, b) => a - b);

  it("does nothing but swap channels where ranges are empty", () => {
    const orders = pixels(still, plain(10, 20, 40));
    for (const pixel of orders) expect(sorted(pixel)).toEqual([10, 20, 40]);
    expect(new Set(orders.map(String)).size).toBe(6);
  });

  it("adds within the brightness, to all channels alike", () => {
    const added = pixels({ ...still, brightness: 32 }, plain(100, 100, 100)).map(([r, g, b]) => {
      expect([g, b]).toEqual([r, r]);
      return r! - 100;
    });
    expect(Math.max(...added.map(Math.abs))).toBeLessThanOrEqual(32);
    expect(Math.min(...added)).toBeLessThan(-25);
    expect(Math.max(...added)).toBeGreaterThan(25);
    expect(Math.abs(added.filter((v) => v === 0).length / 300 - 0.5)).toBeLessThan(0.1);
  });

  it("multiplies within the contrast, before or after, once", () => {
    const factors = pixels({ ...still, contrast: [0.5, 1.5] }, plain(100, 100, 100)).map(([r]) => r! / 100);
    expect(Math.min(...factors)).toBeGreaterThanOrEqual(0.5);
    expect(Math.max(...factors)).toBeLessThanOrEqual(1.5);
    expect(Math.abs(factors.filter((v) => v === 1).length / 300 - 0.5)).toBeLessThan(0.1);
  });

  it("scales saturation about the largest channel", () => {
    for (const pixel of pixels({ ...still, saturation: [0.5, 0.5] }, plain(200, 100, 50))) {
      const [low, middle, high] = sorted(pixel);
      expect(high).toBeCloseTo(200, 3);
      // Halved: 200 - (200 - 100) / 2 and 200 - (200 - 50) / 2, or as they were.
      expect([100, 150].some((v) => Math.abs(middle! - v) < 1e-3)).toBe(true);
      expect([50, 125].some((v) => Math.abs(low! - v) < 1e-3)).toBe(true);
    }
  });

  it("turns the hue and keeps largest and smallest", () => {
    const turned = pixels({ ...still, hue: 60 }, plain(200, 100, 100));
    const middles = turned.map((pixel) => {
      const [low, middle, high] = sorted(pixel);
      expect(high).toBeCloseTo(200, 3);
      expect(low).toBeCloseTo(100, 3);
      return middle!;
    });
    expect(Math.max(...middles)).toBeGreaterThan(180);
  });

  it("refuses ranges that are none", () => {
    expect(() => photometricDistortion({ brightness: -1 })).toThrow(ConfigError);
    expect(() => photometricDistortion({ contrast: [1, 0.5] })).toThrow("0 <= low <= high");
  });
});

describe("minIouCrop", () => {
  const sample = drawSample(40, 40, [5, 5, 20, 20, 22, 22, 38, 38]);
  const crops = Array.from({ length: 400 }, (_, seed) => minIouCrop()(sample, createRandom(seed)));

  it("leaves some whole, and cuts windows out of the others", () => {
    const whole = crops.filter((crop) => crop === sample).length;
    expect(whole / crops.length).toBeGreaterThan(1 / 7 - 0.06);
    for (const { rgb, size, map } of crops) {
      expect(size.height / size.width).toBeGreaterThan(0.45);
      expect(size.height / size.width).toBeLessThan(2.2);
      expect(Math.min(size.height, size.width)).toBeGreaterThanOrEqual(Math.floor(0.3 * 40));
      // Red counts columns by fives, green rows: the first pixel says where the window begins.
      expect([rgb[0]! + map.offsetX * 5, rgb[1]! + map.offsetY * 5]).toEqual([0, 0]);
    }
  });

  it("keeps what has its centre inside", () => {
    for (const { truth, map, size } of crops) {
      const centres = [12.5, 30].map((v) => [v + map.offsetX, v + map.offsetY] as const);
      const inside = centres.flatMap(([x, y], n) => (x > 0 && y > 0 && x < size.width && y < size.height ? [n] : []));
      expect([...truth.labels]).toEqual(inside);
      expect(inside.length).toBeGreaterThan(0);
    }
  });

  it("asks each box for the overlap", () => {
    const one = drawSample(40, 40, [5, 5, 35, 35]);
    // The choices "whole", which overlaps the box by 0.56, and "any overlap" are 2 among 102.
    const transform = minIouCrop({ minIous: Array.from({ length: 100 }, () => 0.7) });
    const ious = Array.from({ length: 200 }, (_, seed) => {
      const { size, map } = transform(one, createRandom(seed));
      const [left, top] = [-map.offsetX, -map.offsetY];
      const w = Math.max(0, Math.min(35, left + size.width) - Math.max(5, left));
      const h = Math.max(0, Math.min(35, top + size.height) - Math.max(5, top));
      return (w * h) / (900 + size.width * size.height - w * h);
    });
    expect(ious.filter((iou) => iou >= 0.7).length).toBeGreaterThan(180);
  });

  it("crops an image without objects, and refuses wrong options", () => {
    const empty = Array.from({ length: 50 }, (_, seed) => minIouCrop()(drawSample(40, 40), createRandom(seed)));
    expect(empty.some(({ size }) => size.width < 40)).toBe(true);
    expect(() => minIouCrop({ minIous: [2] })).toThrow(ConfigError);
    expect(() => minIouCrop({ minSize: 0 })).toThrow(ConfigError);
  });
});

describe("mosaic", () => {
  const size = { height: 20, width: 20 };
  const plain = (value: number) =>
    newSample(new Uint8Array(10 * 10 * 3).fill(value), { height: 10, width: 10 }, truthOf([0, 0, 10, 10]));

  it("lays four images around a point, the own one upper left", () => {
    const others = [plain(2), plain(3), plain(4)];
    const made = mosaic({ size, centre: [1, 1] })(plain(1), createRandom(0), others);
    expect(made.size).toEqual({ height: 40, width: 40 });
    const at = (y: number, x: number) => made.rgb[(y * 40 + x) * 3];
    expect([at(0, 0), at(19, 19), at(0, 20), at(20, 0), at(20, 20), at(39, 39)]).toEqual([1, 1, 2, 3, 4, 4]);
    expect([...made.truth.boxes]).toEqual([0, 0, 20, 20, 20, 0, 40, 20, 0, 20, 20, 40, 20, 20, 40, 40]);
    expect(made.tiles!.map(({ area }) => [...area])).toEqual([
      [0, 0, 20, 20],
      [20, 0, 40, 20],
      [0, 20, 20, 40],
      [20, 20, 40, 40],
    ]);
    expect(made.map).toEqual({ scaleX: 1, scaleY: 1, offsetX: 0, offsetY: 0, mirrored: false });
  });

  it("cuts what sticks out and fills what stays free", () => {
    const made = mosaic({ size, centre: [0.5, 0.5], padding: 9 })(plain(1), createRandom(0), [
      plain(2),
      plain(3),
      plain(4),
    ]);
    const at = (y: number, x: number) => made.rgb[(y * 40 + x) * 3];
    expect([at(0, 0), at(9, 9), at(0, 10), at(10, 0), at(29, 29), at(30, 30), at(0, 30)]).toEqual([
      1, 1, 2, 3, 4, 9, 9,
    ]);
    expect([...made.truth.boxes.subarray(0, 4)]).toEqual([0, 0, 10, 10]);
    expect(unmapBoxes(Float32Array.of(0, 0, 10, 10), made.tiles![0]!.map)).toEqual(Float32Array.of(5, 5, 10, 10));
  });

  it("wants three other images, and options in range", () => {
    expect(mosaic().others).toBe(3);
    expect(() => mosaic()(plain(1), createRandom(0), [plain(2)])).toThrow("wants 3 other images, got 1");
    expect(mosaic({ probability: 0 })(plain(1), createRandom(0), [plain(2), plain(3), plain(4)])).toEqual(plain(1));
    expect(() => mosaic({ centre: [0, 1] })).toThrow(ConfigError);
    expect(() => mosaic({ padding: 300 })).toThrow(ConfigError);
    expect(() => mosaic({ size: { height: 0, width: 3 } })).toThrow(ConfigError);
  });
});

describe("compose", () => {
  it("hands each step its own other images", () => {
    const seen: number[][] = [];
    const step = (others: number): Transform =>
      Object.assign(
        (sample: Sample, _: unknown, given: readonly Sample[] = []) => {
          seen.push(given.map(({ size }) => size.width));
          return sample;
        },
        { others },
      );
    const all = compose(step(1), step(0), step(2));
    expect(all.others).toBe(3);
    all(drawSample(4, 4), createRandom(0), [drawSample(4, 5), drawSample(4, 6), drawSample(4, 7)]);
    expect(seen).toEqual([[5], [], [6, 7]]);
    expect(() => all(drawSample(4, 4), createRandom(0))).toThrow(ConfigError);
  });
});

it("samples and windows are checked", () => {
  expect(() => newSample(new Uint8Array(5), { height: 1, width: 2 }, truthOf([]))).toThrow(ShapeError);
  expect(() => cropSample(drawSample(4, 4), { left: 1, top: 0, width: 4, height: 4 })).toThrow("must lie within 4 × 4");
  expect(() => cropSample(drawSample(4, 4), { left: 0.5, top: 0, width: 1, height: 1 })).toThrow(ConfigError);
  expect(() => mapBoxes(new Float32Array(3), drawSample(4, 4).map)).toThrow(ShapeError);
  expect(() => unmapBoxes(new Float32Array(3), drawSample(4, 4).map)).toThrow(ShapeError);
});

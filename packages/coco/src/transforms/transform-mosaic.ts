// Four images in one (YOLOv4, Bochkovskiy et al. 2020, section 3.3), laid out as mmdetection 2.19's Mosaic: a canvas
// of twice the size, four tiles that meet at a random point, each image fitted into one tile's size and cut where it
// sticks out.
import { ConfigError, type GroundTruth, type Size } from "@caddet/core/base";
import { IDENTITY_MAP, mapBoxes, movedMap, scaledMap } from "./box-map";
import { clipTruth, type MosaicTile, requireOthers, type Sample, type Transform } from "./sample";
import { assertProbability } from "./transform-frame";
import { resizePixels } from "./transform-resize";

/** Options of {@link mosaic}. */
export interface MosaicOptions {
  /** Of a tile, pixels; the mosaic is twice as high and wide. Default 640 × 640. */
  readonly size?: Size;
  /** Where the tiles meet, in tile sides from the upper left corner. Default [0.5, 1.5]. */
  readonly centre?: readonly [number, number];
  /** Of what no image fills, 0..255. Default 114. */
  readonly padding?: number;
  /** Default 1. */
  readonly probability?: number;
}

interface PlacedTile extends MosaicTile {
  readonly truth: GroundTruth;
}

// Fits an image into a tile's size, puts one of its corners on the point where the tiles meet, and paints what lies
// on the canvas.
function placeTile(
  { rgb, size, truth, map }: Sample,
  tile: Size,
  canvas: { readonly rgb: Float32Array | Uint8Array; readonly size: Size },
  { x, y, right, below }: { readonly x: number; readonly y: number; readonly right: boolean; readonly below: boolean },
): PlacedTile {
  const scale = Math.min(tile.height / size.height, tile.width / size.width);
  const fitted = {
    height: Math.max(1, Math.floor(size.height * scale + 0.5)),
    width: Math.max(1, Math.floor(size.width * scale + 0.5)),
  };
  const pixels = resizePixels(rgb, size, fitted);
  const left = right ? x : x - fitted.width;
  const top = below ? y : y - fitted.height;
  const x1 = Math.max(0, left);
  const y1 = Math.max(0, top);
  const x2 = Math.min(canvas.size.width, left + fitted.width);
  const y2 = Math.min(canvas.size.height, top + fitted.height);
  for (let row = y1; row < y2; row++) {
    const from = ((row - top) * fitted.width + (x1 - left)) * 3;
    canvas.rgb.set(pixels.subarray(from, from + (x2 - x1) * 3), (row * canvas.size.width + x1) * 3);
  }
  const across = fitted.width / size.width;
  const down = fitted.height / size.height;
  const placement = movedMap(scaledMap(IDENTITY_MAP, across, down), left, top);
  return {
    map: movedMap(scaledMap(map, across, down), left, top),
    area: [x1, y1, x2, y2],
    truth: { ...truth, boxes: mapBoxes(truth.boxes, placement) },
  };
}

function joinTruths(truths: readonly GroundTruth[]): GroundTruth {
  return {
    boxes: Float32Array.from(truths.flatMap(({ boxes }) => [...boxes])),
    labels: Int32Array.from(truths.flatMap(({ labels }) => [...labels])),
    crowd: Uint8Array.from(truths.flatMap(({ crowd }) => [...crowd])),
  };
}

/**
 * Puts an image and three others into one. `map` starts anew: it leads from the mosaic's pixels; `tiles` has the ways
 * from each image to the mosaic.
 *
 * @param options size of a tile, where tiles meet, padding
 * @returns a transform that wants three other images
 * @throws ConfigError when an option is out of range, or, when called, fewer images are given
 * @example createLoader(dataset, { batchSize: 4, size, transforms: [mosaic({ size: { height: 320, width: 320 } })] })
 */
export function mosaic({
  size = { height: 640, width: 640 },
  centre = [0.5, 1.5],
  padding = 114,
  probability = 1,
}: MosaicOptions = {}): Transform {
  const [low, high] = centre;
  if (![size.height, size.width].every((side) => Number.isInteger(side) && side >= 1)) {
    throw new ConfigError(`A tile has a positive integer size, got ${size.width} × ${size.height}.`);
  }
  if (!(low > 0 && high >= low && high < 2)) {
    throw new ConfigError(`The tiles meet within the mosaic, 0 < low <= high < 2, got [${low}, ${high}].`);
  }
  if (!(padding >= 0 && padding <= 255)) throw new ConfigError(`Padding has a value from 0 to 255, got ${padding}.`);
  assertProbability("The probability of a mosaic", probability);
  const transform = (sample: Sample, random: Parameters<Transform>[1], others: readonly Sample[] = []): Sample => {
    requireOthers("A mosaic", others, 3);
    if (random.next() >= probability) return sample;
    const x = Math.floor((low + random.next() * (high - low)) * size.width);
    const y = Math.floor((low + random.next() * (high - low)) * size.height);
    const images = [sample, ...others.slice(0, 3)];
    const whole = { height: size.height * 2, width: size.width * 2 };
    const values = whole.height * whole.width * 3;
    const bytes = images.every(({ rgb }) => rgb instanceof Uint8Array);
    const rgb = bytes ? new Uint8Array(values).fill(padding) : new Float32Array(values).fill(padding);
    const placed = images.map((image, n) =>
      placeTile(image, size, { rgb, size: whole }, { x, y, right: n % 2 === 1, below: n >= 2 }),
    );
    return {
      rgb,
      size: whole,
      truth: clipTruth(joinTruths(placed.map(({ truth }) => truth)), whole),
      map: IDENTITY_MAP,
      tiles: placed.map(({ map, area }) => ({ map, area })),
    };
  };
  return Object.assign(transform, { others: 3 });
}

// Watches the gates of a training run for collapse: paths that never change, routes that do not depend on the image, gates that
// no gradient reaches. Plain arrays in, warnings out; who prints them is another's business.
import { ConfigError } from "@caddet/core";
import { checkCounts, imagesOf, openEntropy } from "./gate-values";

/** Options of {@link createGateHealth}. */
export interface GateHealthOptions {
  /** P, the paths of one image. */
  readonly paths: number;
  /** How many recent images are judged, default 256. */
  readonly window?: number;
  /** A path is open where its gate is at least this, default 1e-4. */
  readonly tau?: number;
  /** In bits: routes depend on the image where some path's entropy of open against closed reaches this. Default 0.05. */
  readonly minEntropy?: number;
  /**
   * The gates are 0 or 1 by design and get a gradient nevertheless, as straight-through ones do: no warning of saturation.
   * Default false.
   */
  readonly binary?: boolean;
  /** `[P]`, what warnings call the paths. Default: `path 0`, `path 1`, … */
  readonly names?: readonly string[];
}

/**
 * What can be wrong. `always-closed`, `always-open`: these paths, for all images of the window. `saturated`: the gates of these
 * paths are 0 or 1 for all images, where relu(tanh(·)) and the like have no slope. `equal-routes`: all images open the same paths.
 * `image-independent`: they do but for a few, no path's entropy reaches the bound.
 */
export type GateWarningKind = "always-closed" | "always-open" | "saturated" | "equal-routes" | "image-independent";

/** One thing that is wrong. */
export interface GateWarning {
  readonly kind: GateWarningKind;
  /** The paths that it concerns, ascending; all for `equal-routes` and `image-independent`. */
  readonly paths: readonly number[];
  /** One sentence with the names of the first few paths. */
  readonly message: string;
}

/** The state of the gates over the window. */
export interface GateHealthReport {
  /** Images in the window. */
  readonly images: number;
  /** `[P]` in [0, 1]: the share of images for which each path is open. */
  readonly openRate: Float64Array;
  /** `[P]` in bits, in [0, 1]: the entropy of open against closed. */
  readonly entropy: Float64Array;
  /** None before the window is full. */
  readonly warnings: readonly GateWarning[];
}

/** A monitor of gates. */
export interface GateHealth {
  /** Takes the gates `[B * P]` of a batch, image by image; the oldest images leave the window. */
  add(gates: ArrayLike<number>): void;
  /** Judges the images of the window. */
  report(): GateHealthReport;
}

const OPEN = 1;
const SATURATED = 2;
// relu(tanh(·)) loses its slope in float32 somewhat before it reaches 1.
const NEARLY_ONE = 1 - 1e-6;
const NAMED = 5;

const SAYS: Readonly<Record<GateWarningKind, (images: number) => string>> = {
  "always-closed": (images) => `are closed for all of the last ${images} images`,
  "always-open": (images) => `are open for all of the last ${images} images`,
  saturated: (images) => `have gates of 0 or 1 for all of the last ${images} images and get no gradient`,
  "equal-routes": (images) => `are open for all or for none of the last ${images} images, which all take one route`,
  "image-independent": (images) => `are open for nearly all or nearly none of the last ${images} images`,
};

/**
 * Makes a monitor that keeps one byte for each path and image of its window.
 *
 * @param options P, window, thresholds and names
 * @returns the monitor
 * @throws ConfigError when a count is not a whole number of at least 1, or the names are not P; `add` throws ShapeError when the
 * gates are not whole rows of P, or none, and ConfigError when a gate is not in [0, 1], and then takes none of them
 * @example const health = createGateHealth({ paths: 158 }); health.add(await gates.values.data()); health.report().warnings
 */
export function createGateHealth({
  paths,
  window = 256,
  tau = 1e-4,
  minEntropy = 0.05,
  binary = false,
  names,
}: GateHealthOptions): GateHealth {
  checkCounts("createGateHealth", { paths, window });
  if (names && names.length !== paths) {
    throw new ConfigError(`createGateHealth needs a name for each of ${paths} paths, got ${names.length}.`);
  }
  const marks = new Uint8Array(window * paths); // one row an image, the next to be overwritten at `row`
  const openCount = new Uint32Array(paths);
  const saturatedCount = new Uint32Array(paths);
  let row = 0;
  let images = 0;

  const count = (k: number, mark: number, by: 1 | -1) => {
    if (mark & OPEN) openCount[k]! += by;
    if (mark & SATURATED) saturatedCount[k]! += by;
  };
  const markOf = (gate: number) =>
    (gate >= tau ? OPEN : 0) | (!binary && (gate === 0 || gate >= NEARLY_ONE) ? SATURATED : 0);

  const warningsOf = (entropy: Float64Array): GateWarning[] => {
    if (images < window) return [];
    const warn = (kind: GateWarningKind, isConcerned: (k: number) => boolean): GateWarning[] => {
      const concerned = Array.from({ length: paths }, (_, k) => k).filter(isConcerned);
      if (concerned.length === 0) return [];
      const named = concerned.slice(0, NAMED).map((k) => names?.[k] ?? `path ${k}`);
      const list = named.join(", ") + (concerned.length > NAMED ? ", …" : "");
      const message = `${concerned.length} of ${paths} paths ${SAYS[kind](images)}: ${list}.`;
      return [{ kind, paths: concerned, message }];
    };
    const isOneRoute = openCount.every((n) => n === 0 || n === images);
    return [
      ...warn("always-closed", (k) => openCount[k] === 0),
      ...warn("always-open", (k) => openCount[k] === images),
      ...warn("saturated", (k) => saturatedCount[k] === images),
      ...(isOneRoute ? warn("equal-routes", () => true) : []),
      ...(!isOneRoute && entropy.every((bits) => bits < minEntropy) ? warn("image-independent", () => true) : []),
    ];
  };

  return {
    add: (gates) => {
      const added = imagesOf("createGateHealth", gates, paths);
      for (let b = 0; b < added; b++) {
        for (let k = 0; k < paths; k++) {
          const place = row * paths + k;
          if (images === window) count(k, marks[place]!, -1);
          const mark = markOf(gates[b * paths + k]!);
          marks[place] = mark;
          count(k, mark, 1);
        }
        row = (row + 1) % window;
        images = Math.min(images + 1, window);
      }
    },
    report: () => {
      const openRate = Float64Array.from(openCount, (n) => (images === 0 ? 0 : n / images));
      const entropy = openRate.map(openEntropy);
      return { images, openRate, entropy, warnings: warningsOf(entropy) };
    },
  };
}

// Plans what one image shows: which things, where, how large, which in front. Pure data, drawn elsewhere. Nothing is covered by more
// than 60% of its silhouette, counting what is in front of it as its whole box.
import { DatasetError, type Random } from "@caddet/core";
import { SHAPES } from "./shapes";

/** Lower and upper bounds of the scale intervals, by a box's longer side in source pixels: above the lower, up to the upper. */
export const INTERVALS = [
  [0, 64],
  [64, 150],
  [150, 360],
  [360, Number.POSITIVE_INFINITY],
] as const;

/** Whether an image shows little, all of one scale, or much of several scales. */
export type SceneKind = "easy" | "busy";

/** One thing in a scene, its box in pixels with one decimal. */
export interface SceneObject {
  /** Index into `SHAPES`. */
  readonly shape: number;
  readonly x: number;
  readonly y: number;
  readonly width: number;
  readonly height: number;
}

/** What an image shows, back to front. */
export interface Scene {
  readonly kind: SceneKind;
  readonly width: number;
  readonly height: number;
  readonly objects: readonly SceneObject[];
}

/** How a scene is to be. */
interface SceneOptions {
  readonly kind: SceneKind;
  /** In pixels. */
  readonly width: number;
  readonly height: number;
}

/** Distance between a box and the image's border, in pixels. */
const MARGIN = 3;
/** The smallest longer side drawn, in pixels: small, but not beyond a small network. */
const SMALLEST = 40;
const LEAST_VISIBLE = 0.4;
/** Boxes of one class overlap less than this, so that suppressing duplicates does not lose one. */
const MOST_OVERLAP = 0.3;
/** Chances of the four intervals among a busy image's further objects, and the most objects of each. */
const BUSY_SHARE: readonly number[] = [0.5, 0.33, 0.17, 0];
const BUSY_MOST = [14, 8, 2, 1] as const;

const tenth = (value: number) => Math.round(value * 10) / 10;

/** The interval of a longer side, 0 to 3. */
export function intervalOf(longerSide: number): number {
  return INTERVALS.findIndex(([low, high]) => longerSide > low && longerSide <= high);
}

/** The longest side that a shape of this aspect can have in the image. */
function longestSide(aspect: number, width: number, height: number): number {
  const [w, h] = [width - 2 * MARGIN, height - 2 * MARGIN];
  return aspect >= 1 ? Math.min(w, h * aspect) : Math.min(h, w / aspect);
}

function sizeFor(interval: number, random: Random, width: number, height: number): Omit<SceneObject, "x" | "y"> | null {
  const shape = random.int(SHAPES.length);
  const [narrow, wide] = SHAPES[shape]!.aspect;
  const aspect = narrow + random.next() * (wide - narrow);
  const [low, high] = INTERVALS[interval]!;
  // A pixel inside the interval's ends, so that rounding does not cross them.
  const [from, to] = [Math.max(low + 1, SMALLEST), Math.min(high - 1, longestSide(aspect, width, height))];
  if (to < from) return null;
  const side = from * (to / from) ** random.next();
  return aspect >= 1
    ? { shape, width: tenth(side), height: tenth(side / aspect) }
    : { shape, width: tenth(side * aspect), height: tenth(side) };
}

function overlapOf(a: SceneObject, b: SceneObject): number {
  const across = Math.min(a.x + a.width, b.x + b.width) - Math.max(a.x, b.x);
  const down = Math.min(a.y + a.height, b.y + b.height) - Math.max(a.y, b.y);
  if (across <= 0 || down <= 0) return 0;
  return (across * down) / (a.width * a.height + b.width * b.height - across * down);
}

/**
 * Estimates how much of an object can be seen.
 *
 * @param object the object
 * @param inFront what is drawn over it
 * @returns the share of its silhouette outside the boxes in front, sampled at 20 × 20 points
 */
export function visibleShare(object: SceneObject, inFront: readonly SceneObject[]): number {
  const near = inFront.filter((other) => overlapOf(object, other) > 0);
  if (near.length === 0) return 1;
  const { covers } = SHAPES[object.shape]!;
  let [seen, all] = [0, 0];
  for (let i = 0; i < 400; i++) {
    const [u, v] = [((i % 20) + 0.5) / 20, (Math.floor(i / 20) + 0.5) / 20];
    if (!covers(u, v)) continue;
    const [x, y] = [object.x + u * object.width, object.y + v * object.height];
    const hidden = near.some((o) => x >= o.x && x <= o.x + o.width && y >= o.y && y <= o.y + o.height);
    all++;
    if (!hidden) seen++;
  }
  return seen / all;
}

function place(interval: number, placed: readonly SceneObject[], random: Random, width: number, height: number) {
  for (let attempt = 0; attempt < 24; attempt++) {
    const size = sizeFor(interval, random, width, height);
    if (size === null) continue;
    const spot = (room: number) => tenth(MARGIN + random.next() * Math.max(0, room - 2 * MARGIN));
    const object = { ...size, x: spot(width - size.width), y: spot(height - size.height) };
    const clear = placed.every((other, i) => {
      const sameClass = other.shape === object.shape;
      if (sameClass && overlapOf(other, object) > MOST_OVERLAP) return false;
      return overlapOf(other, object) === 0 || visibleShare(other, [...placed.slice(i + 1), object]) >= LEAST_VISIBLE;
    });
    if (clear) return object;
  }
  return null;
}

/** Draws lots for the intervals of an image's objects, coarse first: what is large stands behind. */
function lots(kind: SceneKind, random: Random): number[] {
  if (kind === "easy") {
    const interval = random.int(4);
    // Two things of more than 360 pixels do not fit side by side.
    const count = interval === 3 ? 1 : 1 + random.int(2);
    return new Array<number>(count).fill(interval);
  }
  const absent = random.next() < 0.4 ? -1 : random.int(4);
  const chosen = [0, 1, 2, 3].filter((interval) => interval !== absent);
  const counts: number[] = [0, 1, 2, 3].map((interval) => (chosen.includes(interval) ? 1 : 0));
  const room = chosen.reduce((sum, interval) => sum + BUSY_MOST[interval]!, 0);
  const total = Math.min(6 + random.int(9), room);
  for (let left = total - chosen.length; left > 0; ) {
    const draw = random.next();
    const interval = BUSY_SHARE.findIndex((_, i) => draw < BUSY_SHARE.slice(0, i + 1).reduce((a, b) => a + b, 0));
    if (!chosen.includes(interval) || counts[interval]! >= BUSY_MOST[interval]!) continue;
    counts[interval] = counts[interval]! + 1;
    left--;
  }
  return [3, 2, 1, 0].flatMap((interval) => new Array<number>(counts[interval]!).fill(interval));
}

/**
 * Plans a scene. Easy: 1 or 2 objects of one scale interval. Busy: 6 to 14 objects over 3 or 4 intervals.
 *
 * @param options kind, and the image's size in pixels
 * @param random the generator; equal states give equal scenes
 * @returns the scene
 * @throws DatasetError when the image is too small for what it is to show
 * @example planScene({ kind: "busy", width: 512, height: 384 }, createRandom(7))
 */
export function planScene({ kind, width, height }: SceneOptions, random: Random): Scene {
  for (let attempt = 0; attempt < 100; attempt++) {
    const wanted = lots(kind, random);
    const objects: SceneObject[] = [];
    for (const interval of wanted) {
      const object = place(interval, objects, random, width, height);
      if (object) objects.push(object);
    }
    const intervals = new Set(objects.map((o) => intervalOf(Math.max(o.width, o.height)))).size;
    const good = kind === "easy" ? objects.length >= 1 : objects.length >= 6 && intervals >= 3;
    if (good) return { kind, width, height, objects };
  }
  throw new DatasetError(
    `A ${kind} scene does not fit into ${width} × ${height} pixels. Use a longer side of at least 420 and a shorter one of at least 240.`,
    { kind, width, height },
  );
}

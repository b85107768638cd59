// Turns a planned scene into SVG: a gradient, clutter that belongs to no class, then the objects from back to front. Backgrounds are
// pale or dull, so that the classes' colours stand out from them, and clutter is made of what no class is made of.
import type { Random } from "@caddet/core";
import type { Scene } from "./scene";
import { SHAPES } from "./shapes";

const n = (value: number) => value.toFixed(1);
const within = (random: Random, low: number, high: number) => low + random.next() * (high - low);

function dull(random: Random, low: number, high: number): string {
  return `hsl(${random.int(360)}, ${random.int(22)}%, ${Math.round(within(random, low, high))}%)`;
}

function gradient(width: number, height: number, random: Random): string {
  const [dx, dy] = random.next() < 0.6 ? [0, 1] : [1, random.next()];
  const stops = [0, within(random, 0.35, 0.75), 1].map(
    (offset) => `<stop offset="${offset.toFixed(2)}" stop-color="${dull(random, 38, 92)}"/>`,
  );
  return (
    `<defs><linearGradient id="g" x1="0" y1="0" x2="${dx.toFixed(2)}" y2="${dy.toFixed(2)}">${stops.join("")}</linearGradient></defs>` +
    `<rect width="${width}" height="${height}" fill="url(#g)"/>`
  );
}

function blob(width: number, height: number, random: Random): string {
  const [cx, cy] = [random.next() * width, random.next() * height];
  const radius = within(random, 12, 110);
  const corners = Array.from({ length: 9 }, (_, i) => {
    const [angle, reach] = [(2 * Math.PI * i) / 9, radius * within(random, 0.45, 1)];
    return `${n(cx + Math.cos(angle) * reach)},${n(cy + Math.sin(angle) * reach)}`;
  });
  return `<polygon points="${corners.join(" ")}" fill="${dull(random, 25, 88)}" fill-opacity="${within(random, 0.12, 0.45).toFixed(2)}"/>`;
}

function line(width: number, height: number, random: Random): string {
  const corners = Array.from(
    { length: 2 + random.int(3) },
    () => `${n(random.next() * width)},${n(random.next() * height)}`,
  );
  const look = `stroke="${dull(random, 20, 80)}" stroke-width="${n(within(random, 0.8, 4.5))}" stroke-opacity="${within(random, 0.2, 0.6).toFixed(2)}"`;
  return `<polyline points="${corners.join(" ")}" fill="none" ${look}/>`;
}

/** Specks in one path of tiny squares: cheaper than an element each. */
function specks(width: number, height: number, random: Random): string {
  const marks = Array.from({ length: 60 + random.int(200) }, () => {
    const side = n(within(random, 0.8, 2.6));
    return `M${n(random.next() * width)} ${n(random.next() * height)}h${side}v${side}h-${side}z`;
  });
  return `<path d="${marks.join("")}" fill="${dull(random, 10, 95)}" fill-opacity="${within(random, 0.2, 0.6).toFixed(2)}"/>`;
}

/**
 * Draws a scene.
 *
 * @param scene what to draw
 * @param random the generator for colours, details and clutter
 * @returns an SVG document of the scene's size
 * @example paintScene(planScene({ kind: "easy", width: 512, height: 384 }, random), random)
 */
export function paintScene({ width, height, objects }: Scene, random: Random): string {
  const background = [
    gradient(width, height, random),
    ...Array.from({ length: 3 + random.int(9) }, () => blob(width, height, random)),
    ...Array.from({ length: random.int(8) }, () => line(width, height, random)),
    specks(width, height, random),
    specks(width, height, random),
  ];
  const drawn = objects.map(
    ({ shape, x, y, width: w, height: h }) =>
      `<g transform="translate(${n(x)} ${n(y)})">${SHAPES[shape]!.draw(w, h, random)}</g>`,
  );
  return `<svg xmlns="http://www.w3.org/2000/svg" width="${width}" height="${height}">${background.join("")}${drawn.join("")}</svg>`;
}

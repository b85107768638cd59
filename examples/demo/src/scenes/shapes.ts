// The six things that a scene may show. Each is drawn in a box of w × h pixels that it fills from edge to edge, so that the box is
// the annotation, and each has its own silhouette and family of colours: a small network learns them in minutes. No randomness but
// the generator's, and no strokes, which would reach past the box.
import type { Random } from "@caddet/core";

/** One thing that can be drawn. */
interface Shape {
  readonly name: string;
  /** The least and the greatest width over height. */
  readonly aspect: readonly [number, number];
  /** Draws it as SVG markup with its upper left corner at (0, 0). */
  draw(w: number, h: number, random: Random): string;
  /** Whether the point (u, v) of the unit box belongs to it. */
  covers(u: number, v: number): boolean;
}

const within = (random: Random, low: number, high: number) => low + random.next() * (high - low);
const hsl = (hue: number, saturation: number, lightness: number) =>
  `hsl(${Math.round(hue)}, ${Math.round(saturation)}%, ${Math.round(lightness)}%)`;
const n = (value: number) => value.toFixed(1);
const rect = (x: number, y: number, w: number, h: number, fill: string, rx = 0) =>
  `<rect x="${n(x)}" y="${n(y)}" width="${n(w)}" height="${n(h)}" rx="${n(rx)}" fill="${fill}"/>`;
const ellipse = (cx: number, cy: number, rx: number, ry: number, fill: string) =>
  `<ellipse cx="${n(cx)}" cy="${n(cy)}" rx="${n(rx)}" ry="${n(ry)}" fill="${fill}"/>`;
/** A polygon from its corners' coordinates, x and y in turn. */
const polygon = (fill: string, ...coordinates: readonly number[]) =>
  `<polygon points="${coordinates.map(n).join(" ")}" fill="${fill}"/>`;
const inEllipse = (u: number, v: number, cu: number, cv: number, ru: number, rv: number) =>
  ((u - cu) / ru) ** 2 + ((v - cv) / rv) ** 2 <= 1;

/** Corners of a star that alternate between two radii, stretched to fill the unit box. */
function starCorners(points: number, inner: number): readonly (readonly [number, number])[] {
  const raw = Array.from({ length: points * 2 }, (_, i) => {
    const [angle, radius] = [(Math.PI * i) / points - Math.PI / 2, i % 2 === 0 ? 1 : inner];
    return [Math.cos(angle) * radius, Math.sin(angle) * radius] as const;
  });
  const [xs, ys] = [raw.map(([x]) => x), raw.map(([, y]) => y)];
  const [left, top] = [Math.min(...xs), Math.min(...ys)];
  const [wide, high] = [Math.max(...xs) - left, Math.max(...ys) - top];
  return raw.map(([x, y]) => [(x - left) / wide, (y - top) / high]);
}

const house: Shape = {
  name: "house",
  aspect: [0.85, 1.25],
  draw(w, h, random) {
    const wall = hsl(within(random, 28, 42), within(random, 20, 38), within(random, 70, 86));
    const roof = hsl(within(random, 350, 372) % 360, within(random, 35, 55), within(random, 26, 36));
    const dark = hsl(215, 25, within(random, 18, 30));
    const eaves = within(random, 0.36, 0.46);
    const doorLeft = random.next() < 0.5;
    const pane = (u: number) => rect(u * w, (eaves + 0.12) * h, 0.19 * w, 0.17 * h, dark);
    return [
      rect(0.7 * w, 0.12 * h, 0.1 * w, 0.25 * h, dark),
      rect(0.07 * w, (eaves - 0.02) * h, 0.86 * w, (1.02 - eaves) * h, wall),
      polygon(roof, 0, eaves * h, w / 2, 0, w, eaves * h),
      rect((doorLeft ? 0.18 : 0.6) * w, 0.66 * h, 0.2 * w, 0.34 * h, roof),
      pane(doorLeft ? 0.62 : 0.2),
      pane(doorLeft ? 0.19 : 0.61),
    ].join("");
  },
  covers: (u, v) => (v < 0.4 ? Math.abs(u - 0.5) <= (0.5 * v) / 0.4 : u >= 0.07 && u <= 0.93),
};

const tree: Shape = {
  name: "tree",
  aspect: [0.55, 0.85],
  draw(w, h, random) {
    const hue = within(random, 95, 140);
    const [saturation, lightness] = [within(random, 45, 65), within(random, 24, 36)];
    const [crown, light] = [hsl(hue, saturation, lightness), hsl(hue, saturation, lightness + 10)];
    const trunk = rect(0.42 * w, 0.6 * h, 0.16 * w, 0.4 * h, hsl(within(random, 20, 32), 45, within(random, 20, 30)));
    if (random.next() < 0.5) {
      const tier = (top: number, bottom: number, half: number, fill: string) =>
        polygon(fill, (0.5 - half) * w, bottom * h, w / 2, top * h, (0.5 + half) * w, bottom * h);
      return trunk + tier(0.36, 0.8, 0.5, crown) + tier(0.16, 0.58, 0.42, light) + tier(0, 0.36, 0.32, crown);
    }
    const leaves = [
      ellipse(0.35 * w, 0.24 * h, 0.14 * w, 0.1 * h, light),
      ellipse(0.62 * w, 0.4 * h, 0.16 * w, 0.1 * h, light),
      ellipse(0.33 * w, 0.5 * h, 0.12 * w, 0.07 * h, light),
    ];
    return trunk + ellipse(0.5 * w, 0.36 * h, 0.5 * w, 0.36 * h, crown) + leaves.join("");
  },
  covers: (u, v) => (v < 0.75 ? Math.abs(u - 0.5) <= 0.1 + 0.5 * Math.min(v, 0.7) : Math.abs(u - 0.5) <= 0.08),
};

const car: Shape = {
  name: "car",
  aspect: [1.8, 2.4],
  draw(w, h, random) {
    const hue = within(random, 205, 235);
    const [saturation, lightness] = [within(random, 60, 85), within(random, 38, 52)];
    const body = hsl(hue, saturation, lightness);
    const glass = hsl(195, 35, within(random, 78, 90));
    const [black, hub] = [hsl(220, 10, 10), hsl(220, 8, within(random, 60, 80))];
    const shift = within(random, -0.05, 0.05);
    const at = (u: number) => (u + shift) * w;
    const wheel = (u: number) => {
      const radius = Math.min(0.21 * h, 0.13 * w);
      return (
        ellipse(u * w, h - radius, radius, radius, black) +
        ellipse(u * w, h - radius, radius * 0.45, radius * 0.45, hub)
      );
    };
    return [
      polygon(body, at(0.18), 0.46 * h, at(0.3), 0, at(0.68), 0, at(0.84), 0.46 * h),
      polygon(glass, at(0.25), 0.42 * h, at(0.33), 0.09 * h, at(0.48), 0.09 * h, at(0.48), 0.42 * h),
      polygon(glass, at(0.52), 0.42 * h, at(0.52), 0.09 * h, at(0.65), 0.09 * h, at(0.76), 0.42 * h),
      rect(0, 0.4 * h, w, 0.4 * h, body, 0.09 * h),
      rect(0.93 * w, 0.48 * h, 0.06 * w, 0.1 * h, hsl(50, 95, 75)),
      wheel(0.23),
      wheel(0.77),
    ].join("");
  },
  covers: (u, v) =>
    v < 0.4
      ? u >= 0.3 - 0.3 * v && u <= 0.68 + 0.4 * v
      : v < 0.8 || Math.min(Math.abs(u - 0.23), Math.abs(u - 0.77)) < 0.1,
};

const sun: Shape = {
  name: "sun",
  aspect: [0.97, 1.03],
  draw(w, h, random) {
    const hue = within(random, 45, 56);
    const disc = hsl(hue, within(random, 88, 100), within(random, 52, 64));
    const rays = hsl(hue - 8, 95, within(random, 46, 56));
    // Multiples of four points touch all four sides of the box.
    const corners = starCorners(random.next() < 0.5 ? 12 : 16, within(random, 0.68, 0.78));
    const face = within(random, 0.29, 0.33);
    return (
      polygon(rays, ...corners.flatMap(([u, v]) => [u * w, v * h])) +
      ellipse(0.5 * w, 0.5 * h, face * w, face * h, disc)
    );
  },
  covers: (u, v) => inEllipse(u, v, 0.5, 0.5, 0.44, 0.44),
};

const fish: Shape = {
  name: "fish",
  aspect: [1.5, 2.1],
  draw(w, h, random) {
    const hue = within(random, 8, 24);
    const [saturation, lightness] = [within(random, 80, 95), within(random, 50, 60)];
    const [body, fin] = [hsl(hue, saturation, lightness), hsl(hue - 6, saturation, lightness - 14)];
    const stripe = hsl(40, 60, 92);
    const toLeft = random.next() < 0.5;
    const x = (u: number) => (toLeft ? u : 1 - u) * w;
    const spread = within(random, 0.32, 0.42);
    return [
      polygon(fin, x(0.62), 0.5 * h, x(1), (0.5 - spread) * h, x(0.9), 0.5 * h, x(1), (0.5 + spread) * h),
      ellipse(x(0.39), 0.5 * h, 0.39 * w, 0.5 * h, body),
      ellipse(x(0.36), 0.5 * h, 0.035 * w, 0.47 * h, stripe),
      ellipse(x(0.54), 0.5 * h, 0.03 * w, 0.42 * h, stripe),
      polygon(fin, x(0.38), 0.56 * h, x(0.52), 0.7 * h, x(0.4), 0.76 * h),
      ellipse(x(0.17), 0.38 * h, 0.045 * w, 0.09 * h, "#fff"),
      ellipse(x(0.16), 0.38 * h, 0.022 * w, 0.045 * h, "#111"),
    ].join("");
  },
  // Either way round: the body is near the middle whichever side the tail is on.
  covers: (u, v) => inEllipse(u, v, 0.5, 0.5, 0.5, 0.46),
};

const star: Shape = {
  name: "star",
  aspect: [0.95, 1.15],
  draw(w, h, random) {
    const hue = within(random, 285, 325);
    const [saturation, lightness] = [within(random, 55, 80), within(random, 42, 56)];
    const corners = starCorners(5, within(random, 0.4, 0.5));
    const inner = corners.flatMap(([u, v]) => [(0.5 + (u - 0.5) * 0.55) * w, (0.55 + (v - 0.55) * 0.55) * h]);
    return (
      polygon(hsl(hue, saturation, lightness), ...corners.flatMap(([u, v]) => [u * w, v * h])) +
      polygon(hsl(hue, saturation, lightness + 16), ...inner)
    );
  },
  covers: (u, v) => inEllipse(u, v, 0.5, 0.56, 0.34, 0.34) || (Math.abs(u - 0.5) < 0.12 && v < 0.3),
};

/** All shapes; a class is an index into this list, and a COCO category that index + 1. */
export const SHAPES: readonly Shape[] = [house, tree, car, sun, fish, star];

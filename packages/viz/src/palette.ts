// Okabe and Ito's colours (Color Universal Design, 2008), which stay apart for people without full colour vision, each with a line
// dash and a marker, so that no figure speaks through colour alone. Their yellow is left out: too pale on white.
import { coordinate, element } from "./svg";

/** The shape that marks a series' points. */
export type Marker = "circle" | "square" | "triangle" | "diamond" | "cross";

/** How one series or class is drawn. */
export interface SeriesStyle {
  readonly colour: string;
  /** Ink that can be read on `colour`. */
  readonly onColour: string;
  /** A stroke-dasharray; undefined is a solid line. */
  readonly dash: string | undefined;
  readonly marker: Marker;
}

/** The paths' and the figures' main colours. */
export const COLOURS = {
  blue: "#0072B2",
  vermillion: "#D55E00",
  green: "#009E73",
  purple: "#CC79A7",
  orange: "#E69F00",
  sky: "#56B4E9",
} as const;

const INKS = [
  [COLOURS.blue, "#fff"],
  [COLOURS.vermillion, "#000"],
  [COLOURS.green, "#000"],
  [COLOURS.purple, "#000"],
  [COLOURS.orange, "#000"],
  [COLOURS.sky, "#000"],
] as const;
const DASHES = [undefined, "7 3", "2 3", "9 3 2 3", "12 4"] as const;
const MARKERS: readonly Marker[] = ["circle", "square", "triangle", "diamond", "cross"];

/**
 * Gives the look of a series. Six colours against five dashes and markers: the first thirty differ.
 *
 * @param index of the series or class, from 0
 * @returns its colour, dash and marker
 */
export function seriesStyle(index: number): SeriesStyle {
  const [colour, onColour] = INKS[index % INKS.length]!;
  return { colour, onColour, dash: DASHES[index % DASHES.length], marker: MARKERS[index % MARKERS.length]! };
}

/** Draws a marker of about 7 units around (x, y). */
export function markerAt(marker: Marker, x: number, y: number, colour: string): string {
  const polygon = (...points: readonly (readonly [number, number])[]) =>
    element("polygon", {
      points: points.map(([dx, dy]) => `${coordinate(x + dx)},${coordinate(y + dy)}`).join(" "),
      fill: colour,
    });
  switch (marker) {
    case "circle":
      return element("circle", { cx: x, cy: y, r: 3.2, fill: colour });
    case "square":
      return element("rect", { x: x - 3, y: y - 3, width: 6, height: 6, fill: colour });
    case "triangle":
      return polygon([0, -4], [3.8, 3], [-3.8, 3]);
    case "diamond":
      return polygon([0, -4.4], [4.4, 0], [0, 4.4], [-4.4, 0]);
    case "cross": {
      const [a, b, c, d] = [x - 3, x + 3, y - 3, y + 3].map(coordinate);
      return element("path", { d: `M${a} ${c}L${b} ${d}M${a} ${d}L${b} ${c}`, stroke: colour, "stroke-width": 2.2 });
    }
  }
}

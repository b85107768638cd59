// The frame that line charts and histograms share: title, legend, grid, tick labels and axis titles around a rectangle in which the
// caller draws. It knows nothing of the data.
import type { Axis } from "./axis";
import { shorten, textWidth } from "./lettering";
import { markerAt, type SeriesStyle } from "./palette";
import { element, figure, label } from "./svg";

/** Words and size that all charts with two axes take. */
export interface PlotText {
  /** Shown above the chart, and its accessible name. */
  readonly title: string;
  readonly xLabel: string;
  readonly yLabel: string;
  /** In CSS pixels at the natural size, default 420. */
  readonly width?: number;
  /** In CSS pixels at the natural size, default 280. */
  readonly height?: number;
}

/** One entry of a legend. */
export interface LegendEntry {
  readonly name: string;
  readonly style: SeriesStyle;
}

/** Places values inside the frame, in user units. */
export interface PlotArea {
  x(value: number): number;
  y(value: number): number;
  readonly left: number;
  readonly right: number;
  readonly top: number;
  readonly bottom: number;
}

const LEGEND_SIZE = 12;

/** Sets a legend's entries in rows; returns the markup and the height it took. */
function legendRows(
  entries: readonly LegendEntry[],
  left: number,
  top: number,
  right: number,
): { readonly markup: string; readonly height: number } {
  let [x, y] = [left, top];
  const parts: string[] = [];
  for (const { name, style } of entries) {
    const text = shorten(name, 28);
    const width = 32 + textWidth(text, LEGEND_SIZE) + 14;
    if (x > left && x + width > right) [x, y] = [left, y + 18];
    const line = { stroke: style.colour, "stroke-width": 2, "stroke-dasharray": style.dash };
    parts.push(
      element("line", { x1: x, y1: y, x2: x + 26, y2: y, ...line }),
      markerAt(style.marker, x + 13, y, style.colour),
      label(text, x + 32, y + 4, { "font-size": LEGEND_SIZE }),
    );
    x += width;
  }
  return { markup: parts.join(""), height: entries.length === 0 ? 0 : y - top + 26 };
}

/**
 * Draws a frame and what the caller puts into it.
 *
 * @param text title, axis titles, size
 * @param axes the two axes; null draws an empty frame that says so
 * @param legend the entries, none for no legend
 * @param body draws the data into the area
 * @param description the data in words
 * @returns a complete SVG document
 */
export function plotFigure(
  { title, xLabel, yLabel, width = 420, height = 280 }: PlotText,
  axes: { readonly x: Axis; readonly y: Axis } | null,
  legend: readonly LegendEntry[],
  body: (area: PlotArea) => readonly string[],
  description = "",
): string {
  const tickRoom = Math.max(14, ...(axes?.y.ticks ?? []).map((tick) => textWidth(tick.label, 11)));
  const [left, right] = [tickRoom + 32, width - 14];
  const { markup: legendMarkup, height: legendHeight } = legendRows(legend, 12, 42, right);
  const [top, bottom] = [36 + legendHeight, height - 44];
  const fitted = (text: string, room: number, size: number) => shorten(text, Math.floor(room / (0.57 * size)));
  const middle = (left + right) / 2;
  const parts = [
    label(fitted(title, width - 20, 14), 10, 20, { "font-size": 14, "font-weight": 600 }),
    legendMarkup,
    label(fitted(xLabel, right - left, 12), middle, height - 8, { "text-anchor": "middle" }),
    label(fitted(yLabel, bottom - top, 12), 0, 0, {
      "text-anchor": "middle",
      transform: `translate(15 ${Math.round((top + bottom) / 2)}) rotate(-90)`,
    }),
  ];
  if (axes === null) {
    parts.push(label("no data", middle, (top + bottom) / 2, { "text-anchor": "middle", opacity: 0.7 }));
    parts.push(element("line", { x1: left, y1: bottom, x2: right, y2: bottom, stroke: "currentColor", opacity: 0.6 }));
    return figure({ width, height, label: `${title}: no data` }, ...parts);
  }
  const area: PlotArea = {
    left,
    right,
    top,
    bottom,
    x: (value) => left + axes.x.position(value) * (right - left),
    y: (value) => bottom - axes.y.position(value) * (bottom - top),
  };
  for (const tick of axes.y.ticks) {
    const y = area.y(tick.value);
    parts.push(element("line", { x1: left, y1: y, x2: right, y2: y, stroke: "currentColor", opacity: 0.15 }));
    parts.push(label(tick.label, left - 6, y + 4, { "font-size": 11, "text-anchor": "end", opacity: 0.85 }));
  }
  for (const tick of axes.x.ticks) {
    const x = area.x(tick.value);
    parts.push(element("line", { x1: x, y1: bottom, x2: x, y2: bottom + 4, stroke: "currentColor", opacity: 0.6 }));
    parts.push(label(tick.label, x, bottom + 17, { "font-size": 11, "text-anchor": "middle", opacity: 0.85 }));
  }
  parts.push(element("line", { x1: left, y1: bottom, x2: right, y2: bottom, stroke: "currentColor", opacity: 0.6 }));
  return figure({ width, height, label: title, description }, ...parts, ...body(area));
}

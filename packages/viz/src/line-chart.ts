// Curves over a common pair of axes: losses, learning rates, accuracy against cost. Points that cannot be shown (not finite, or not
// positive on a logarithmic axis) break the line instead of bending it.
import { type Axis, extent, linearAxis, logAxis } from "./axis";
import { formatNumber } from "./lettering";
import { markerAt, type SeriesStyle, seriesStyle } from "./palette";
import { type PlotArea, type PlotText, plotFigure } from "./plot";
import { coordinate, element, tooltip } from "./svg";

/** A point `[x, y]`. */
export type Point = readonly [x: number, y: number];

/** One curve. */
export interface LineSeries {
  readonly name: string;
  /** In the order in which they are joined. */
  readonly points: readonly Point[];
}

/** What a line chart shows. */
export interface LineChartOptions extends PlotText {
  readonly series: readonly LineSeries[];
  /** Whether y is logarithmic, default false. */
  readonly logY?: boolean;
}

/** Markers of a curve: all when there are few points, else about this many. */
const MARKERS = 9;

function drawSeries(
  points: readonly Point[],
  name: string,
  style: SeriesStyle,
  shown: (p: Point) => boolean,
  area: PlotArea,
) {
  let d = "";
  let pen = false;
  for (const point of points) {
    const visible = shown(point);
    if (visible) d += `${pen ? "L" : "M"}${coordinate(area.x(point[0]))} ${coordinate(area.y(point[1]))}`;
    pen = visible;
  }
  const marked = points.filter(shown);
  const every = Math.max(1, Math.ceil(marked.length / MARKERS));
  const last = marked.at(-1);
  return element(
    "g",
    { class: "series" },
    tooltip(last ? `${name}: last ${formatNumber(last[1])} at ${formatNumber(last[0])}` : `${name}: no data`),
    d === ""
      ? ""
      : element("path", {
          d,
          fill: "none",
          stroke: style.colour,
          "stroke-width": 2,
          "stroke-linejoin": "round",
          "stroke-dasharray": style.dash,
        }),
    ...marked
      .filter((_, i) => i % every === 0 || i === marked.length - 1)
      .map(([x, y]) => markerAt(style.marker, area.x(x), area.y(y), style.colour)),
  );
}

/** A curve in words. */
function described({ name, points }: LineSeries, shown: (p: Point) => boolean): string {
  const visible = points.filter(shown);
  if (visible.length === 0) return `${name}: no data`;
  const [low, high] = extent(visible.map(([, y]) => y));
  const [first, last] = [visible[0]!, visible.at(-1)!].map(([x, y]) => `${formatNumber(y)} at ${formatNumber(x)}`);
  return `${name}: ${first} to ${last}, between ${formatNumber(low)} and ${formatNumber(high)}`;
}

/**
 * Draws curves.
 *
 * @param options series, title, axis titles; `logY` for a logarithmic y axis; size in CSS pixels, default 420 × 280
 * @returns a complete SVG document; with nothing to show, a frame that says "no data"
 * @example lineChart({ series: [{ name: "loss", points: [[0, 2.1], [1, 1.4]] }], title: "Loss", xLabel: "epoch", yLabel: "loss" })
 */
export function lineChart({ series, logY = false, ...text }: LineChartOptions): string {
  const shown = ([x, y]: Point) => Number.isFinite(x) && Number.isFinite(y) && (!logY || y > 0);
  const visible = series.flatMap((s) => s.points.filter(shown));
  const styles = series.map((_, i) => seriesStyle(i));
  const legend = series.map(({ name }, i) => ({ name, style: styles[i]! }));
  if (visible.length === 0) return plotFigure(text, null, legend, () => []);
  const [xMin, xMax] = extent(visible.map(([x]) => x));
  const [yMin, yMax] = extent(visible.map(([, y]) => y));
  const y: Axis = logY ? logAxis(yMin, yMax) : linearAxis(yMin, yMax, { whole: true });
  return plotFigure(
    text,
    { x: linearAxis(xMin, xMax), y },
    legend,
    (area) => series.map(({ name, points }, i) => drawSeries(points, name, styles[i]!, shown, area)),
    `${series.map((one) => described(one, shown)).join("; ")}.`,
  );
}

// Distributions over common bins, as outlined steps: the MAdds of easy and busy images, say. Several overlap and stay readable, since
// each has its own dash. Values outside the range are not counted, and neither are those that are not finite.
import { ConfigError } from "@caddet/core/base";
import { extent, linearAxis } from "./axis";
import { formatNumber } from "./lettering";
import { seriesStyle } from "./palette";
import { type PlotArea, type PlotText, plotFigure } from "./plot";
import { coordinate, element, tooltip } from "./svg";

/** One distribution. */
export interface HistogramSeries {
  readonly name: string;
  readonly values: ArrayLike<number>;
}

/** What a histogram shows. */
export interface HistogramOptions extends PlotText {
  readonly series: readonly HistogramSeries[];
  /** Number of bins, an integer in [1, 500], default 20. */
  readonly bins?: number;
  /** Lowest and highest value counted, both included; default: the values' own extent. */
  readonly range?: readonly [min: number, max: number];
}

function countInto(values: readonly number[], min: number, max: number, bins: number): number[] {
  const counts = new Array<number>(bins).fill(0);
  for (const value of values) {
    if (value < min || value > max) continue;
    // The last bin is closed, so that the largest value is counted.
    const bin = Math.min(bins - 1, Math.floor(((value - min) / (max - min)) * bins));
    counts[bin] = counts[bin]! + 1;
  }
  return counts;
}

/**
 * Draws distributions.
 *
 * @param options series, bins, range, title, axis titles, size in CSS pixels, default 420 × 280
 * @returns a complete SVG document; with nothing to count, a frame that says "no data"
 * @throws ConfigError when `bins` is not an integer in [1, 500] or the range is not increasing
 * @example histogramSvg({ series: [{ name: "easy", values: [1, 2, 2] }], title: "Cost", xLabel: "GMAdds", yLabel: "images" })
 */
export function histogramSvg({ series, bins = 20, range, ...text }: HistogramOptions): string {
  if (!Number.isInteger(bins) || bins < 1 || bins > 500) {
    throw new ConfigError(`A histogram needs an integer number of bins in [1, 500], got ${bins}.`);
  }
  if (range && !(range[1] > range[0] && Number.isFinite(range[1] - range[0]))) {
    throw new ConfigError(`A histogram's range must be finite and increasing, got [${range}].`);
  }
  const finite = series.map(({ values }) => Array.from(values).filter(Number.isFinite));
  const styles = series.map((_, i) => seriesStyle(i));
  const legend = series.map(({ name }, i) => ({ name, style: styles[i]! }));
  if (finite.every((values) => values.length === 0)) return plotFigure(text, null, legend, () => []);
  let [min, max] = range ?? extent(finite.flat());
  if (min === max) [min, max] = [min - 0.5, max + 0.5];
  const counts = finite.map((values) => countInto(values, min, max, bins));
  const axes = {
    x: linearAxis(min, max),
    y: linearAxis(0, Math.max(1, extent(counts.flat())[1]), { whole: true }),
  };
  const totals = counts.map((own) => own.reduce((a, b) => a + b, 0));
  const hints = series.map(({ name }, i) => {
    const mean = finite[i]!.reduce((a, b) => a + b, 0) / finite[i]!.length;
    return `${name}: ${totals[i]} values, mean ${formatNumber(mean)}`;
  });
  const draw = (area: PlotArea) =>
    counts.map((own, i) => {
      const edge = (bin: number) => coordinate(area.x(min + ((max - min) * bin) / bins));
      const steps = own.map((count, bin) => `V${coordinate(area.y(count))}H${edge(bin + 1)}`).join("");
      const { colour, dash } = styles[i]!;
      return element(
        "path",
        {
          class: "series",
          d: `M${edge(0)} ${coordinate(area.bottom)}${steps}V${coordinate(area.bottom)}`,
          fill: colour,
          "fill-opacity": 0.18,
          stroke: colour,
          "stroke-width": 2,
          "stroke-dasharray": dash,
        },
        tooltip(hints[i]!),
      );
    });
  return plotFigure(text, axes, legend, draw, `${hints.join("; ")}.`);
}

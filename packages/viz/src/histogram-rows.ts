// Distributions one below the other over a common axis: the MAdds of images by their scale encoding (paper §3.2), say. Nothing
// overlaps, so that any number of groups stays readable, and no colour is needed. Heights are shares of a row's values.
import { ConfigError } from "@caddet/core/base";
import { extent, linearAxis } from "./axis";
import { formatNumber, shorten, textWidth } from "./lettering";
import { COLOURS } from "./palette";
import { coordinate, element, figure, label, tooltip } from "./svg";

/** One distribution. */
export interface HistogramRow {
  readonly name: string;
  /** What is not finite is not counted. */
  readonly values: ArrayLike<number>;
}

/** What the figure shows. */
export interface HistogramRowsOptions {
  readonly title: string;
  /** What the values are, with their unit. */
  readonly xLabel: string;
  /** From top to bottom. */
  readonly rows: readonly HistogramRow[];
  /** Number of bins, an integer in [1, 500], default 30. */
  readonly bins?: number;
  /** In CSS pixels at the natural size, default 520; the height follows from the rows. */
  readonly width?: number;
}

const [ROW, TOP] = [40, 36];

// The share of a row's values in each bin; the last bin is closed, so that the largest value is counted.
function sharesOf(values: readonly number[], min: number, max: number, bins: number): number[] {
  const shares = new Array<number>(bins).fill(0);
  for (const value of values) {
    const bin = Math.min(bins - 1, Math.floor(((value - min) / (max - min)) * bins));
    shares[bin]! += 1 / values.length;
  }
  return shares;
}

/**
 * Draws distributions one below the other, each with its mean marked.
 *
 * @param options title, axis title, rows, bins, width in CSS pixels
 * @returns a complete SVG document; with nothing to count, a frame that says "no data"
 * @throws ConfigError when `bins` is not an integer in [1, 500]
 * @example histogramRowsSvg({ title: "Cost", xLabel: "million MAdds", rows: [{ name: "1000", values: [310, 320] }] })
 */
export function histogramRowsSvg({ title, xLabel, rows, bins = 30, width = 520 }: HistogramRowsOptions): string {
  if (!Number.isInteger(bins) || bins < 1 || bins > 500) {
    throw new ConfigError(`A histogram needs an integer number of bins in [1, 500], got ${bins}.`);
  }
  const heading = label(shorten(title, Math.floor((width - 20) / 8)), 10, 20, { "font-size": 14, "font-weight": 600 });
  const counted = rows.map(({ values }) => Array.from(values).filter(Number.isFinite));
  if (counted.every((values) => values.length === 0)) {
    const note = label("no data", width / 2, 58, { "text-anchor": "middle", opacity: 0.7 });
    return figure({ width, height: 84, label: `${title}: no data` }, heading, note);
  }
  let [min, max] = extent(counted.flat());
  if (min === max) [min, max] = [min - 0.5, max + 0.5];
  const names = rows.map(({ name }) => shorten(name, 22));
  const left = 20 + Math.max(...names.map((text) => textWidth(text, 12)));
  const axis = linearAxis(min, max);
  const x = (value: number) => left + axis.position(value) * (width - 24 - left);
  const shares = counted.map((values) => sharesOf(values, min, max, bins));
  const highest = extent(shares.flat())[1];
  const bottom = TOP + rows.length * ROW;

  const hints = rows.map(({ name }, i) => {
    const values = counted[i]!;
    if (values.length === 0) return `${name}: no values`;
    const mean = values.reduce((a, b) => a + b, 0) / values.length;
    return `${name}: ${values.length} ${values.length === 1 ? "value" : "values"}, mean ${formatNumber(mean)}`;
  });
  const drawn = shares.map((own, i) => {
    const base = TOP + (i + 1) * ROW - 4;
    const edge = (bin: number) => coordinate(x(min + ((max - min) * bin) / bins));
    const steps = own.map((share, bin) => `V${coordinate(base - (share / highest) * (ROW - 12))}H${edge(bin + 1)}`);
    const look = { fill: COLOURS.blue, "fill-opacity": 0.3, stroke: COLOURS.blue, "stroke-width": 1.5 };
    const ground = { x1: left, y1: base, x2: width - 24, y2: base, stroke: "currentColor", opacity: 0.3 };
    const head = label(names[i]!, left - 10, base - 6, { "text-anchor": "end" });
    const values = counted[i]!;
    if (values.length === 0) return head + element("line", ground);
    const mean = x(values.reduce((a, b) => a + b, 0) / values.length);
    const mark = element("polygon", {
      class: "mean",
      points: [
        [mean, base + 1],
        [mean - 4, base + 7],
        [mean + 4, base + 7],
      ]
        .map((point) => point.map(coordinate).join(","))
        .join(" "),
      fill: "currentColor",
    });
    const outline = `M${edge(0)} ${coordinate(base)}${steps.join("")}V${coordinate(base)}`;
    const bars = element("path", { class: "series", d: outline, ...look }, tooltip(hints[i]!));
    return head + element("line", ground) + bars + mark;
  });
  const ticks = axis.ticks.map(({ value, label: text }) => {
    const at = x(value);
    const line = { x1: at, y1: TOP, x2: at, y2: bottom + 4, stroke: "currentColor", opacity: 0.15 };
    return (
      element("line", line) + label(text, at, bottom + 20, { "font-size": 11, "text-anchor": "middle", opacity: 0.85 })
    );
  });
  const below = label(xLabel, (left + width - 24) / 2, bottom + 40, { "text-anchor": "middle" });
  const frame = { width, height: bottom + 50, label: title, description: `${hints.join("; ")}.` };
  return figure(frame, heading, ...ticks, ...drawn, below);
}

// Horizontal bars with their values written out: accuracy by class, MAdds by part, time by runtime. Bars start at zero, always, since
// their length is what is compared.
import { ShapeError } from "@caddet/core/base";
import { extent } from "./axis";
import { formatColumn, shorten, textWidth } from "./lettering";
import { seriesStyle } from "./palette";
import { element, figure, label, tooltip } from "./svg";

/** One kind of bar, with a value for each label. */
export interface BarSeries {
  readonly name: string;
  /** `[labels]`; a value that is not finite has no bar and shows "–". */
  readonly values: ArrayLike<number>;
}

/** What a bar chart shows. */
export interface BarChartOptions {
  readonly title: string;
  /** The groups of bars, top to bottom. */
  readonly labels: readonly string[];
  readonly series: readonly BarSeries[];
  /** What the values are, with their unit, written below. */
  readonly valueLabel?: string;
  /** In CSS pixels at the natural size, default 420; the height follows from the bars. */
  readonly width?: number;
}

const BAR = 14;
const GAP = 10;
/** Fillings that differ without colour, all outlined in full. */
const FILLS = [0.9, 0.3, 0, 0.6] as const;

/** Legend of filled boxes, as the bars are filled. */
function boxLegend(series: readonly BarSeries[], left: number, top: number, right: number) {
  let [x, y] = [left, top];
  const parts: string[] = [];
  for (const [i, { name }] of series.entries()) {
    const text = shorten(name, 28);
    const width = 20 + textWidth(text, 12) + 16;
    if (x > left && x + width > right) [x, y] = [left, y + 18];
    parts.push(bar(i, x, y - 6, 13, 12, "", "key"), label(text, x + 20, y + 4));
    x += width;
  }
  return { markup: parts.join(""), height: y - top + 20 };
}

function bar(
  seriesIndex: number,
  x: number,
  y: number,
  width: number,
  height: number,
  hint = "",
  className?: string,
): string {
  const { colour } = seriesStyle(seriesIndex);
  const look = { fill: colour, "fill-opacity": FILLS[seriesIndex % FILLS.length], stroke: colour, "stroke-width": 1.2 };
  return element("rect", { class: className, x, y, width, height, ...look }, hint === "" ? "" : tooltip(hint));
}

/**
 * Draws horizontal bars.
 *
 * @param options title, labels, series, value label, width in CSS pixels, default 420
 * @returns a complete SVG document; without labels or series, a frame that says "no data"
 * @throws ShapeError when a series has another number of values than there are labels
 * @example barChart({ title: "AP by class", labels: ["car", "tree"], series: [{ name: "AP", values: [0.41, 0.33] }] })
 */
export function barChart({ title, labels, series, valueLabel = "", width = 420 }: BarChartOptions): string {
  const wrong = series.find(({ values }) => values.length !== labels.length);
  if (wrong) {
    throw new ShapeError(
      `Series "${wrong.name}" has ${wrong.values.length} values for ${labels.length} labels. Give one value a label.`,
    );
  }
  const heading = label(shorten(title, Math.floor((width - 20) / 8)), 10, 20, { "font-size": 14, "font-weight": 600 });
  if (labels.length === 0 || series.length === 0) {
    const note = label("no data", width / 2, 58, { "text-anchor": "middle", opacity: 0.7 });
    return figure({ width, height: 84, label: `${title}: no data` }, heading, note);
  }
  const names = labels.map((text) => shorten(text, 22));
  const written = series.map(({ values }) => formatColumn(values));
  const left = 18 + Math.max(...names.map((text) => textWidth(text, 12)));
  const right = width - 14 - Math.max(...written.flat().map((text) => textWidth(text, 11)));
  const legend = series.length > 1 ? boxLegend(series, 10, 42, width - 10) : { markup: "", height: 0 };
  const [low, high] = extent(series.flatMap(({ values }) => Array.from(values).filter(Number.isFinite)));
  const [min, max] = [Math.min(0, low), Math.max(0, high)];
  const x = (value: number) => left + (max > min ? ((value - min) / (max - min)) * (right - left) : 0);
  const group = series.length * BAR + GAP;
  const top = 36 + legend.height;
  const bottom = top + labels.length * group;
  const height = bottom + (valueLabel === "" ? 8 : 28);

  const bars = labels.map((text, row) => {
    const start = top + row * group;
    const own = series.map(({ name, values }, i) => {
      const value = values[row]!;
      const y = start + i * BAR;
      const shown = Number.isFinite(value) ? value : 0;
      const end = Math.max(x(0), x(shown));
      const hint = `${text}, ${name}: ${written[i]![row]}`;
      return (
        bar(i, Math.min(x(0), x(shown)), y + 1, Math.abs(x(shown) - x(0)), BAR - 2, hint, "bar") +
        label(written[i]![row]!, end + 5, y + BAR - 3, { "font-size": 11 })
      );
    });
    return label(names[row]!, left - 8, start + (group - GAP) / 2 + 4, { "text-anchor": "end" }) + own.join("");
  });
  const zero = { x1: x(0), y1: top - 3, x2: x(0), y2: bottom - GAP + 3, stroke: "currentColor", opacity: 0.6 };
  const below =
    valueLabel === "" ? "" : label(valueLabel, (left + right) / 2, bottom + 14, { "text-anchor": "middle" });
  const described = labels.map((text, row) => {
    const own = series.map(({ name }, i) => (series.length > 1 ? `${name} ` : "") + written[i]![row]);
    return `${text}: ${own.join(", ")}`;
  });
  const description = `${described.join("; ")}.`;
  return figure(
    { width, height, label: title, description },
    heading,
    legend.markup,
    ...bars,
    element("line", zero),
    below,
  );
}

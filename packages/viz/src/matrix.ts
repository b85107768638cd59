// A matrix as shaded cells: the similarity of routes between images (paper §3.3), or confusions between classes. One hue whose
// strength follows the value, and the value itself where there is room, so that no colour scale has to be read.
import { ConfigError, ShapeError } from "@caddet/core/base";
import { extent } from "./axis";
import { formatNumber, shorten, textWidth } from "./lettering";
import { COLOURS } from "./palette";
import { element, figure, label, tooltip } from "./svg";

/** What a matrix figure shows. */
export interface MatrixOptions {
  readonly title: string;
  /** `[rows * columns]`, row by row. */
  readonly values: ArrayLike<number>;
  readonly rowLabels: readonly string[];
  readonly columnLabels: readonly string[];
  /** The values of the palest and the strongest cell; default: the values' own extent. */
  readonly range?: readonly [min: number, max: number];
  /** Side of a cell in CSS pixels, from 12; default so that the figure has about 520. */
  readonly cell?: number;
  /** Digits behind the point in a cell, an integer in [0, 6], default 2. */
  readonly digits?: number;
}

/** From this strength on, white is easier to read on the hue than the page's ink. */
const WHITE_FROM = 0.8;

/**
 * Draws a matrix.
 *
 * @param options title, values, labels of rows and columns, range, digits
 * @returns a complete SVG document; without rows or columns, a frame that says "no data"
 * @throws ShapeError when there are not rows × columns values
 * @throws ConfigError when `digits` is not an integer in [0, 6] or the range is not increasing
 * @example matrixSvg({ title: "Path similarity", values: [1, 0.4, 0.4, 1], rowLabels: ["a", "b"], columnLabels: ["a", "b"] })
 */
export function matrixSvg(options: MatrixOptions): string {
  const { title, values, rowLabels, columnLabels, range, digits = 2 } = options;
  const [rows, columns] = [rowLabels.length, columnLabels.length];
  if (values.length !== rows * columns) {
    throw new ShapeError(
      `A matrix of ${rows} × ${columns} labels needs ${rows * columns} values, got ${values.length}. Give them row by row.`,
    );
  }
  if (!Number.isInteger(digits) || digits < 0 || digits > 6) {
    throw new ConfigError(`A matrix's digits must be an integer in [0, 6], got ${digits}.`);
  }
  if (range && !(range[1] > range[0] && Number.isFinite(range[1] - range[0]))) {
    throw new ConfigError(`A matrix's range must be finite and increasing, got [${range}].`);
  }
  const heading = label(shorten(title, 40), 10, 20, { "font-size": 14, "font-weight": 600 });
  if (values.length === 0) {
    const note = label("no data", 10, 48, { opacity: 0.7 });
    return figure({ width: 320, height: 64, label: `${title}: no data` }, heading, note);
  }
  const list = Array.from(values);
  const [min, max] = range ?? extent(list.filter(Number.isFinite));
  const strength = (value: number) => (max > min ? Math.min(1, Math.max(0, (value - min) / (max - min))) : 1);
  const cell = Math.max(12, options.cell ?? Math.min(44, Math.floor(520 / Math.max(rows, columns))));
  const texts = list.map((value) => (Number.isFinite(value) ? value.toFixed(digits) : "–"));
  const numbered = Math.max(...texts.map((text) => textWidth(text, 11))) <= cell - 4;
  const [rowNames, columnNames] = [rowLabels, columnLabels].map((names) => names.map((text) => shorten(text, 18)));
  const room = (names: readonly string[]) => Math.max(...names.map((text) => textWidth(text, 11)));
  const left = 18 + room(rowNames!);
  const upright = room(columnNames!) > cell - 4;
  const top = 38 + (upright ? room(columnNames!) : 12);

  const cells = list.map((value, i) => {
    const [row, column] = [Math.floor(i / columns), i % columns];
    const [x, y] = [left + column * cell, top + row * cell];
    const opacity = Number.isFinite(value) ? strength(value) : 0;
    const hint = `${rowLabels[row]}, ${columnLabels[column]}: ${formatNumber(value)}`;
    const look = { fill: COLOURS.blue, "fill-opacity": opacity, stroke: "currentColor", "stroke-opacity": 0.2 };
    const size = { x, y, width: cell, height: cell };
    const ink = {
      "text-anchor": "middle",
      "font-size": 11,
      fill: opacity >= WHITE_FROM ? "#fff" : "currentColor",
    };
    return (
      element("rect", { class: "cell", ...size, ...look }, tooltip(hint)) +
      (numbered ? label(texts[i]!, x + cell / 2, y + cell / 2 + 4, ink) : "")
    );
  });
  const columnHeads = columnNames!.map((text, column) => {
    const x = left + (column + 0.5) * cell;
    return upright
      ? label(text, 0, 0, {
          "font-size": 11,
          transform: `translate(${Math.round(x) + 4} ${Math.round(top) - 6}) rotate(-90)`,
        })
      : label(text, x, top - 6, { "font-size": 11, "text-anchor": "middle" });
  });
  const rowHeads = rowNames!.map((text, row) =>
    label(text, left - 8, top + (row + 0.5) * cell + 4, { "font-size": 11, "text-anchor": "end" }),
  );
  const width = Math.max(left + columns * cell + 12, 30 + textWidth(shorten(title, 40), 15));
  const height = top + rows * cell + 12;
  const [low, high] = extent(list.filter(Number.isFinite));
  const description = `${rows} rows, ${columns} columns, values from ${formatNumber(low)} to ${formatNumber(high)}.`;
  return figure({ width, height, label: title, description }, heading, ...columnHeads, ...rowHeads, ...cells);
}

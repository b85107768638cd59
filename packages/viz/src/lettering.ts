// Numbers and names as a figure shows them, and how much room they take. Widths are estimates, as no font is at hand; the same on
// every platform, since no locale takes part.

/**
 * Shortens a name to a number of characters.
 *
 * @param text any string
 * @param characters the most to show, at least 1
 * @returns the text, or its beginning and an ellipsis
 * @example shorten("traffic light", 8) // "traffic…"
 */
export function shorten(text: string, characters: number): string {
  const points = [...text];
  return points.length <= characters ? text : `${points.slice(0, Math.max(0, characters - 1)).join("")}…`;
}

/** Estimates the width of a text set in a sans-serif face of the given size. */
export function textWidth(text: string, size: number): number {
  let width = 0;
  for (const character of text) width += character > "\u{2E7F}" ? 1 : 0.57;
  return width * size;
}

function grouped(integer: string): string {
  return integer.replace(/\B(?=(\d{3})+$)/g, ",");
}

function decimalsOf(value: number): number {
  return Number.isInteger(value) ? 0 : Math.max(0, Math.min(6, 3 - Math.floor(Math.log10(Math.abs(value)))));
}

function withDecimals(value: number, decimals: number): string {
  const [integer, fraction] = Math.abs(value).toFixed(decimals).split(".");
  return `${value < 0 ? "−" : ""}${grouped(integer!)}${fraction === undefined ? "" : `.${fraction}`}`;
}

/** Values that only an exponent can write in few characters. */
function isExtreme(value: number): boolean {
  return value !== 0 && (Math.abs(value) < 1e-3 || Math.abs(value) >= 1e15);
}

/**
 * Writes a number for people: thousands grouped, about four significant digits, exponents only for extremes.
 *
 * @param value any number
 * @returns e.g. "6,234", "0.2874", "1.2e-5"; "–" where the value is not finite
 * @example formatNumber(6234) // "6,234"
 */
export function formatNumber(value: number): string {
  if (!Number.isFinite(value)) return "–";
  if (isExtreme(value)) return value.toExponential(1).replace(".0e", "e").replace("e+", "e").replace(/^-/, "−");
  const text = withDecimals(value, decimalsOf(value));
  return text.includes(".") ? text.replace(/\.?0+$/, "") : text;
}

/**
 * Writes the numbers of a column with equally many digits behind the point, so that they can be compared.
 *
 * @param values any numbers
 * @returns one text a value
 * @example formatColumn([0.3, 0.2874]) // ["0.3000", "0.2874"]
 */
export function formatColumn(values: ArrayLike<number>): string[] {
  const needed = Array.from(values, (value) => {
    if (!Number.isFinite(value) || isExtreme(value)) return 0;
    return (formatNumber(value).split(".")[1] ?? "").length;
  });
  const decimals = Math.max(0, ...needed);
  return Array.from(values, (value) =>
    Number.isFinite(value) && !isExtreme(value) ? withDecimals(value, decimals) : formatNumber(value),
  );
}

/**
 * Writes a count of multiply-adds.
 *
 * @param madds multiply-adds, not millions of them
 * @returns e.g. "6.50 G" or "412 M"
 * @example formatMadds(6.5e9) // "6.50 G"
 */
export function formatMadds(madds: number): string {
  if (!Number.isFinite(madds)) return "–";
  if (madds >= 999.5e6) return `${(madds / 1e9).toFixed(2)} G`;
  if (madds >= 99.5e6) return `${(madds / 1e6).toFixed(0)} M`;
  if (madds >= 1e6) return `${(madds / 1e6).toFixed(1)} M`;
  return formatNumber(Math.round(madds));
}

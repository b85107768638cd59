// The pieces of a report's sections: tables, figures with captions, galleries, paragraphs. All text is escaped; only what is named
// markup is taken as such, and that is what the other functions of this package return.
import { ShapeError } from "@caddet/core/base";
import { escapeXml } from "./escape";
import { formatColumn, formatNumber } from "./lettering";

/** Words that go with a table. */
export interface TableOptions {
  /** Shown above the table. */
  readonly caption?: string;
}

/** A figure of a gallery. */
export interface FigureOptions {
  /** Markup, such as a figure of this package. */
  readonly html: string;
  /** Shown below. */
  readonly caption?: string;
  /** The accessible name of a figure that carries its title itself; default the caption. */
  readonly label?: string;
}

/**
 * Writes a table that scrolls sideways where it does not fit. The first cell of a row names the row.
 *
 * @param header one text a column
 * @param rows one list of cells a row, as long as the header; numbers are written for people and set to the right
 * @param options `caption`
 * @returns markup for a section; without rows, a table that says "no data"
 * @throws ShapeError when a row has another number of cells than the header
 * @example tableHtml(["preset", "mAP"], [["tiny", 0.287]], { caption: "Accuracy" })
 */
export function tableHtml(
  header: readonly string[],
  rows: readonly (readonly (string | number)[])[],
  { caption = "" }: TableOptions = {},
): string {
  const wrong = rows.findIndex((row) => row.length !== header.length);
  if (wrong >= 0) {
    throw new ShapeError(
      `Row ${wrong} has ${rows[wrong]!.length} cells under a header of ${header.length}. Give one cell a column.`,
    );
  }
  const isNumeric = header.map((_, i) => rows.length > 0 && rows.every((row) => typeof row[i] === "number"));
  const side = (column: number) => (isNumeric[column] ? ' class="number"' : "");
  const columns = isNumeric.map((numeric, i) => (numeric ? formatColumn(rows.map((row) => Number(row[i]))) : null));
  const cell = (value: string | number, column: number, row: number) => {
    const text = escapeXml(columns[column]?.[row] ?? (typeof value === "number" ? formatNumber(value) : value));
    return column === 0 ? `<th scope="row"${side(0)}>${text}</th>` : `<td${side(column)}>${text}</td>`;
  };
  const heads = header.map((text, i) => `<th scope="col"${side(i)}>${escapeXml(text)}</th>`).join("");
  const body =
    rows.length === 0
      ? `<tr><td colspan="${Math.max(1, header.length)}">no data</td></tr>`
      : rows.map((row, i) => `<tr>${row.map((value, column) => cell(value, column, i)).join("")}</tr>`).join("");
  const title = caption === "" ? "" : `<caption>${escapeXml(caption)}</caption>`;
  const name = escapeXml(caption === "" ? header.join(", ") || "Table" : caption);
  return `<div class="scroll" tabindex="0" role="region" aria-label="${name}"><table>${title}<thead><tr>${heads}</tr></thead><tbody>${body}</tbody></table></div>`;
}

/**
 * Writes a figure with a caption. A figure wider than the screen, such as a route on a phone, scrolls sideways.
 *
 * @param options `html`: markup, taken as it is; `caption` and `label`: text
 * @returns markup for a section
 * @example figureHtml({ html: routeSvg(space, gates), caption: "A busy image" })
 */
export function figureHtml({ html, caption = "", label = caption }: FigureOptions): string {
  const name = escapeXml(label === "" ? "Figure" : label);
  const below = caption === "" ? "" : `<figcaption>${escapeXml(caption)}</figcaption>`;
  return `<figure><div class="scroll" tabindex="0" role="region" aria-label="${name}">${html}</div>${below}</figure>`;
}

/**
 * Writes figures side by side, as many a row as fit.
 *
 * @param figures what {@link figureHtml} takes
 * @returns markup for a section
 * @example galleryHtml([{ html: easy, caption: "easy" }, { html: busy, caption: "busy" }])
 */
export function galleryHtml(figures: readonly FigureOptions[]): string {
  return figures.length === 0 ? "" : `<div class="gallery">${figures.map(figureHtml).join("")}</div>`;
}

/**
 * Writes a paragraph.
 *
 * @param text plain text
 * @returns markup for a section
 * @example paragraphHtml("Measured on one core.")
 */
export function paragraphHtml(text: string): string {
  return `<p>${escapeXml(text)}</p>`;
}

/**
 * Writes a part that opens on demand, with the keyboard as well: long tables, the numbers behind a figure. Print shows it open.
 *
 * @param summary plain text, always seen
 * @param html markup, taken as it is
 * @returns markup for a section
 * @example detailsHtml("All 80 classes", tableHtml(["class", "AP"], rows))
 */
export function detailsHtml(summary: string, html: string): string {
  return `<details><summary>${escapeXml(summary)}</summary>\n${html}</details>`;
}

// The few SVG elements that the figures are made of, as strings. Elements use no ids, so that any number of figures can stand in one
// page, and `currentColor` for ink, so that they follow the page's light or dark mode. Not a drawing library.
import { escapeXml } from "./escape";

/** Attribute values by name; undefined ones are left out. */
export type Attributes = Readonly<Record<string, string | number | undefined>>;

/** The size and the accessible name of a figure. */
export interface FigureFrame {
  /** In user units, which are CSS pixels at the natural size. */
  readonly width: number;
  readonly height: number;
  /** What the figure shows, for those who cannot see it. */
  readonly label: string;
  /** What there is to be read off it, in words. */
  readonly description?: string;
  /** A class of the root element, for the report's style sheet. */
  readonly className?: string;
}

const FONT = "system-ui, -apple-system, 'Segoe UI', Roboto, 'DejaVu Sans', sans-serif";

/** Writes a coordinate: at most two decimals, never `-0` or an exponent. */
export function coordinate(value: number): string {
  const text = value.toFixed(2).replace(/\.?0+$/, "");
  return text === "-0" ? "0" : text;
}

/** Writes an element; `children` are markup already. */
export function element(name: string, attributes: Attributes, ...children: readonly string[]): string {
  const written = Object.entries(attributes)
    .filter(([, value]) => value !== undefined)
    .map(([key, value]) => ` ${key}="${typeof value === "number" ? coordinate(value) : escapeXml(value!)}"`)
    .join("");
  const content = children.join("");
  return content === "" ? `<${name}${written}/>` : `<${name}${written}>${content}</${name}>`;
}

/** Writes a text element at (x, y); ink and 12 units high unless `attributes` say otherwise. */
export function label(text: string, x: number, y: number, attributes: Attributes = {}): string {
  const defaults = { fill: "currentColor", "font-size": 12 };
  return element("text", { x, y, ...defaults, ...attributes }, escapeXml(text));
}

/** Writes a tooltip, to be the first child of an element. */
export function tooltip(text: string): string {
  return element("title", {}, escapeXml(text));
}

/** Wraps markup into a complete SVG document that scales with its container. */
export function figure(
  { width, height, label: name, description = "", className }: FigureFrame,
  ...children: readonly string[]
): string {
  return element(
    "svg",
    {
      xmlns: "http://www.w3.org/2000/svg",
      class: className,
      role: "img",
      "aria-label": name,
      viewBox: `0 0 ${coordinate(width)} ${coordinate(height)}`,
      width,
      height,
      "font-family": FONT,
    },
    tooltip(name),
    description === "" ? "" : element("desc", {}, escapeXml(description)),
    ...children,
  );
}

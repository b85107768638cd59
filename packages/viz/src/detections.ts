// An image with its detected boxes, and the annotated ones if given. The image travels inside the figure as a data URI: nothing is
// loaded from elsewhere. Decoding and encoding images are not this package's business.
import { ConfigError, ShapeError } from "@caddet/core/base";
import { shorten, textWidth } from "./lettering";
import { type SeriesStyle, seriesStyle } from "./palette";
import { element, figure, label, tooltip } from "./svg";

/** Annotated boxes, to be drawn under the detected ones. */
export interface TruthBoxes {
  /** `[N * 4]`, `x1, y1, x2, y2` a box, in pixels of the image. */
  readonly boxes: ArrayLike<number>;
  /** `[N]`, class indices from 0. */
  readonly labels: ArrayLike<number>;
}

/** What a detection figure shows. */
export interface DetectionsOptions {
  /** The image as a base64 data URI of PNG, JPEG, WebP or AVIF. */
  readonly imageHref: string;
  /** In pixels of the image. */
  readonly width: number;
  /** In pixels of the image. */
  readonly height: number;
  /** `[N * 4]`, `x1, y1, x2, y2` a box, in pixels of the image. */
  readonly boxes: Float32Array;
  /** `[N]`, class indices from 0. */
  readonly labels: ArrayLike<number>;
  /** `[N]` in [0, 1]. */
  readonly scores: ArrayLike<number>;
  readonly classNames: readonly string[];
  readonly truths?: TruthBoxes;
  /** Detections below are not drawn, default 0. */
  readonly minScore?: number;
  /** The accessible name, default a count of what is drawn. */
  readonly title?: string;
}

/** Detections that the figure's description names, the surest. */
const DESCRIBED = 12;

type Box = readonly [x: number, y: number, width: number, height: number];

const DATA_URI = /^data:image\/(?:png|jpeg|webp|avif);base64,[A-Za-z0-9+/]+={0,2}$/;

function checkBoxes(what: string, boxes: ArrayLike<number>, labels: ArrayLike<number>): void {
  if (boxes.length !== labels.length * 4) {
    throw new ShapeError(
      `${what}: ${labels.length} labels need ${labels.length * 4} box coordinates, got ${boxes.length}. Give x1, y1, x2, y2 a box.`,
    );
  }
}

function boxAt(boxes: ArrayLike<number>, index: number): Box {
  const [x1, y1, x2, y2] = [0, 1, 2, 3].map((k) => boxes[index * 4 + k]!) as [number, number, number, number];
  return [x1, y1, Math.max(0, x2 - x1), Math.max(0, y2 - y1)];
}

function outline([x, y, width, height]: Box, look: Readonly<Record<string, string | number | undefined>>, hint = "") {
  return element("rect", { x, y, width, height, fill: "none", ...look }, hint === "" ? "" : tooltip(hint));
}

function chip(text: string, [x, y]: Box, { colour, onColour }: SeriesStyle, size: number, imageWidth: number): string {
  const width = textWidth(text, size) + size * 0.6;
  const height = size * 1.35;
  // Above the box, but inside the image: boxes that touch its top carry their name inside.
  const top = y >= height ? y - height : Math.max(0, y);
  const left = Math.max(0, Math.min(x, imageWidth - width));
  return (
    element("rect", { x: left, y: top, width, height, fill: colour }) +
    label(text, left + size * 0.3, top + size * 1.02, { "font-size": size, fill: onColour })
  );
}

/**
 * Draws detections on their image. Truths are white and dotted; each class has a colour and a dash of its own.
 *
 * @param options image and its size in pixels; boxes `[N * 4]` xyxy in pixels, labels and scores `[N]`; class names; truths
 * @returns a complete SVG document of the image's size; without boxes, the image alone
 * @throws ConfigError when `imageHref` is not a base64 data URI of an image or the size is not positive
 * @throws ShapeError when boxes, labels and scores differ in number
 * @example detectionsSvg({ imageHref, width: 512, height: 384, boxes, labels, scores, classNames: ["car"] })
 */
export function detectionsSvg(options: DetectionsOptions): string {
  const { imageHref, width, height, boxes, labels, scores, classNames, truths, minScore = 0 } = options;
  if (!DATA_URI.test(imageHref)) {
    throw new ConfigError(
      `imageHref must be a base64 data URI of a PNG, JPEG, WebP or AVIF image, got "${shorten(imageHref, 40)}".`,
    );
  }
  if (!(width > 0 && height > 0 && Number.isFinite(width * height))) {
    throw new ConfigError(`An image's size must be positive, got ${width} × ${height}.`);
  }
  checkBoxes("Detections", boxes, labels);
  if (scores.length !== labels.length) {
    throw new ShapeError(`Detections: ${labels.length} labels need as many scores, got ${scores.length}.`);
  }
  const size = Math.max(width, height) / 42;
  const stroke = Math.max(width, height) / 220;
  const dashed = (dash: string | undefined) => dash?.replace(/\d+/g, (n) => ((Number(n) * stroke) / 2).toFixed(1));
  const parts = [element("image", { href: imageHref, x: 0, y: 0, width, height })];
  const name = (classIndex: number) => classNames[classIndex] ?? `class ${classIndex}`;

  if (truths) {
    checkBoxes("Truths", truths.boxes, truths.labels);
    for (let i = 0; i < truths.labels.length; i++) {
      const box = boxAt(truths.boxes, i);
      const look = { stroke: "#fff", "stroke-width": stroke * 0.8, "stroke-dasharray": dashed("2 3") };
      parts.push(outline(box, { stroke: "#000", "stroke-opacity": 0.55, "stroke-width": stroke * 1.3 }));
      parts.push(outline(box, { class: "truth", ...look }, `annotated: ${name(truths.labels[i]!)}`));
    }
  }
  const order = Array.from({ length: labels.length }, (_, i) => i)
    .filter((i) => scores[i]! >= minScore && boxAt(boxes, i).every(Number.isFinite))
    .sort((a, b) => scores[a]! - scores[b]! || b - a);
  const chips: string[] = [];
  for (const i of order) {
    const box = boxAt(boxes, i);
    const style = seriesStyle(labels[i]!);
    const text = `${shorten(name(labels[i]!), 18)} ${scores[i]!.toFixed(2)}`;
    const look = { stroke: style.colour, "stroke-width": stroke, "stroke-dasharray": dashed(style.dash) };
    parts.push(outline(box, { stroke: "#fff", "stroke-opacity": 0.7, "stroke-width": stroke * 1.8 }));
    parts.push(outline(box, { class: "detection", ...look }, `${name(labels[i]!)}, score ${scores[i]!.toFixed(3)}`));
    chips.push(chip(text, box, style, size, width));
  }
  const counted = `${order.length} detections${truths ? `, ${truths.labels.length} annotated objects` : ""}`;
  const best = order
    .slice(-DESCRIBED)
    .reverse()
    .map((i) => `${name(labels[i]!)} ${scores[i]!.toFixed(2)}`);
  const description = `${counted}${best.length > 0 ? `: ${best.join(", ")}${order.length > DESCRIBED ? " and more" : ""}` : ""}.`;
  const frame = { width, height, label: options.title ?? counted, description, className: "photo" };
  return figure(frame, ...parts, ...chips);
}

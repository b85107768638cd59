// One annotation file of Pascal VOC (VOC2012 development kit, "annotation" XML), read into pixels that count from 0. Pure: text to boxes.
// VOC's pixels count from 1 and its far edges are inside the box. Entities of a DOCTYPE are never expanded.
import { DatasetError } from "@caddet/core/base";
import { isRecord } from "../json/json-values";

/** An object of an annotation file. */
export interface VocObject {
  readonly name: string;
  /** `x, y, width, height` in pixels; VOC's (1, 1)–(1, 1) is [0, 0, 1, 1]. */
  readonly box: readonly [number, number, number, number];
  readonly difficult: boolean;
}

/** What an annotation file says. */
export interface VocAnnotation {
  /** Undefined where the file has none. */
  readonly fileName: string | undefined;
  /** Pixels; undefined where the file has none, or zeros. */
  readonly size: { readonly width: number; readonly height: number } | undefined;
  readonly objects: readonly VocObject[];
}

const PREDEFINED: Readonly<Record<string, string>> = { amp: "&", lt: "<", gt: ">", quot: '"', apos: "'" };
const NUMBER = /^[+-]?\d+(\.\d*)?$/;
const MAX_DEPTH = 20;

type Fail = (message: string, index?: number) => never;

function textOf(value: unknown): string | undefined {
  if (typeof value !== "string") return undefined;
  return value.replace(/&(amp|lt|gt|quot|apos);/g, (_, name: string) => PREDEFINED[name]!);
}

function flagOf(value: unknown): boolean {
  return value === "1" || (typeof value === "string" && value.toLowerCase() === "true");
}

function readObject(object: unknown, number: number, index: number | undefined, fail: Fail): VocObject {
  const { name, bndbox, difficult } = isRecord(object) ? object : {};
  const label = textOf(name);
  if (!label) fail(`object ${number} needs a <name>`, index);
  const edges = ["xmin", "ymin", "xmax", "ymax"].map((edge) => {
    const value = isRecord(bndbox) ? bndbox[edge] : undefined;
    if (typeof value !== "string" || !NUMBER.test(value))
      fail(`object ${number} needs a number <${edge}> in its <bndbox>`, index);
    return Number(value);
  });
  const [xmin, ymin, xmax, ymax] = edges as [number, number, number, number];
  if (xmax < xmin || ymax < ymin)
    fail(`object ${number} has the box (${edges.join(", ")}), whose far edges come first`, index);
  return { name: label!, box: [xmin - 1, ymin - 1, xmax - xmin + 1, ymax - ymin + 1], difficult: flagOf(difficult) };
}

function sizeOf(size: unknown): VocAnnotation["size"] {
  const { width, height } = isRecord(size) ? size : {};
  const sides = [width, height].map((side) => (typeof side === "string" && NUMBER.test(side) ? Number(side) : 0));
  return sides[0]! > 0 && sides[1]! > 0 ? { width: sides[0]!, height: sides[1]! } : undefined;
}

/**
 * Makes a reader of annotation files; the XML parser is loaded here, once.
 *
 * @returns a function of a file's text and its name for error texts; it throws DatasetError with file and line when the text is no
 *   well-formed XML, has no root `annotation`, or an object lacks its name or a number of its box
 * @example (await vocReader())(text, "2007_000027.xml").objects[0]?.box
 */
export async function vocReader(): Promise<(text: string, file: string) => VocAnnotation> {
  const { XMLParser, XMLValidator } = await import("fast-xml-parser");
  const place = XMLParser.getMetaDataSymbol() as unknown as symbol; // declared as the object type
  const parser = new XMLParser({
    processEntities: false,
    parseTagValue: false,
    captureMetaData: true,
    maxNestedTags: MAX_DEPTH,
    isArray: (name) => name === "object",
  });
  return (text, file) => {
    const failAt = (message: string, line: number | undefined, cause?: unknown): never => {
      const at = line === undefined ? file : `${file}:${line}`;
      throw new DatasetError(`${at}: ${message}.`, { file, line }, { cause });
    };
    const fail: Fail = (message, index) =>
      failAt(message, index === undefined ? undefined : text.slice(0, index).split("\n").length);
    const valid = XMLValidator.validate(text);
    if (valid !== true) failAt(`is no well-formed XML (${valid.err.msg.replace(/\.$/, "")})`, valid.err.line);
    let root: unknown;
    try {
      root = (parser.parse(text) as Record<string, unknown>).annotation;
    } catch (cause) {
      failAt(`cannot be read (${cause instanceof Error ? cause.message : String(cause)})`, undefined, cause);
    }
    if (root === undefined) fail('expected the root element "annotation", got another', 0);
    const { filename, size, object: objects = [] } = isRecord(root) ? root : {};
    return {
      fileName: textOf(filename),
      size: sizeOf(size),
      objects: (objects as unknown[]).map((object, n) => {
        const meta: unknown = isRecord(object) ? (object as Record<symbol, unknown>)[place] : undefined;
        const index = isRecord(meta) && typeof meta.startIndex === "number" ? meta.startIndex : undefined;
        return readObject(object, n + 1, index, fail);
      }),
    };
  };
}

// TensorBoard's events (tensorflow/core/util/event.proto and framework/summary.proto): numbers, histograms and images at a step.
import {
  joinMessage,
  type Message,
  message,
  writeBytes,
  writeDouble,
  writeDoubles,
  writeFloat,
  writeInt,
  writeMessage,
  writeText,
} from "@caddet/core/protobuf";

/** An image as a PNG file. */
export interface TaggedImage {
  /** Its name, "detections/1". */
  readonly tag: string;
  readonly png: Uint8Array;
  readonly width: number;
  readonly height: number;
}

/** What an event tells. */
export interface Summary {
  readonly scalars?: Readonly<Record<string, number>>;
  /** Values from 0 to 1. */
  readonly histograms?: Readonly<Record<string, ArrayLike<number>>>;
  readonly images?: readonly TaggedImage[];
}

const VERSION = "brain.Event:2";
const SESSION_START = 1;
const RGBA = 4;
const BUCKETS = 30;

// `wall` is in seconds.
function eventAt(wall: number, step: number): Message {
  const event = message();
  writeDouble(event, 1, wall);
  writeInt(event, 2, step);
  return event;
}

/** The event that every file begins with. `wall`: seconds since 1970. */
export function versionEvent(wall: number): Uint8Array {
  const event = message();
  writeDouble(event, 1, wall);
  writeText(event, 3, VERSION);
  return joinMessage(event);
}

/** Says that a run starts at a step: TensorBoard drops what other files have from there on. */
export function startEvent(wall: number, step: number): Uint8Array {
  const event = eventAt(wall, step);
  const log = message();
  writeInt(log, 1, SESSION_START);
  writeMessage(event, 7, log);
  return joinMessage(event);
}

// Buckets of equal width from 0 to 1; values outside count in the first and the last.
function histogramOf(values: ArrayLike<number>): Message {
  const counts = new Float64Array(BUCKETS);
  let [min, max, sum, squares] = [Number.POSITIVE_INFINITY, Number.NEGATIVE_INFINITY, 0, 0];
  for (let i = 0; i < values.length; i++) {
    const value = values[i]!;
    counts[Math.min(BUCKETS - 1, Math.max(0, Math.floor(value * BUCKETS)))]!++;
    min = Math.min(min, value);
    max = Math.max(max, value);
    sum += value;
    squares += value * value;
  }
  const out = message();
  for (const [i, value] of [min, max, values.length, sum, squares].entries()) writeDouble(out, i + 1, value);
  writeDoubles(
    out,
    6,
    Float64Array.from(counts, (_, i) => (i + 1) / BUCKETS),
  );
  writeDoubles(out, 7, counts);
  return out;
}

function imageOf({ png, width, height }: TaggedImage): Message {
  const out = message();
  for (const [i, value] of [height, width, RGBA].entries()) writeInt(out, i + 1, value);
  writeBytes(out, 4, png);
  return out;
}

/**
 * Encodes what happened at a step.
 *
 * @param wall seconds since 1970
 * @param step from 1
 * @param summary numbers, histograms of values from 0 to 1, PNG images; empty histograms are left out
 * @returns an event, to be framed as a record
 */
export function summaryEvent(
  wall: number,
  step: number,
  { scalars = {}, histograms = {}, images = [] }: Summary,
): Uint8Array {
  const all = message();
  const add = (tag: string, write: (value: Message) => void) => {
    const value = message();
    writeText(value, 1, tag);
    write(value);
    writeMessage(all, 1, value);
  };
  for (const [tag, scalar] of Object.entries(scalars)) add(tag, (value) => writeFloat(value, 2, scalar));
  for (const image of images) add(image.tag, (value) => writeMessage(value, 4, imageOf(image)));
  for (const [tag, values] of Object.entries(histograms)) {
    if (values.length > 0) add(tag, (value) => writeMessage(value, 5, histogramOf(values)));
  }
  const event = eventAt(wall, step);
  writeMessage(event, 5, all);
  return joinMessage(event);
}

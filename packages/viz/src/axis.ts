// Axes as pure data: where a value lies between 0 and 1, and which values get a tick. Drawing them is the plot's part.
import { formatColumn, formatNumber } from "./lettering";

/** A labelled place on an axis. */
interface Tick {
  readonly value: number;
  readonly label: string;
}

/** A mapping from values to [0, 1], with its ticks. */
export interface Axis {
  position(value: number): number;
  readonly ticks: readonly Tick[];
}

/** Lowest and highest of a list that may be long. */
export function extent(values: Iterable<number>): readonly [number, number] {
  let [min, max] = [Number.POSITIVE_INFINITY, Number.NEGATIVE_INFINITY];
  for (const value of values) [min, max] = [Math.min(min, value), Math.max(max, value)];
  return [min, max];
}

const UNITS = [
  [1e12, "T"],
  [1e9, "G"],
  [1e6, "M"],
  [1e4, "k"],
] as const;
const FACTORS = { T: 1e12, G: 1e9, M: 1e6, k: 1e3, "": 1 } as const;

/** Writes ticks in a common unit and with equally many digits; zero needs no unit. */
function labelled(values: readonly number[], largest: number): Tick[] {
  const [, unit] = UNITS.find(([from]) => largest >= from) ?? [1, ""];
  const divisor = FACTORS[unit];
  const texts = formatColumn(values.map((value) => Number((value / divisor).toPrecision(6))));
  return values.map((value, i) => ({ value, label: value === 0 ? "0" : `${texts[i]}${unit && ` ${unit}`}` }));
}

/** The smallest of 1, 2, 5 times a power of ten that is at least `rough`. */
function niceStep(rough: number): number {
  const power = 10 ** Math.floor(Math.log10(rough));
  const factor = [1, 2, 5, 10].find((f) => f * power >= rough * (1 - 1e-9))!;
  return factor * power;
}

/** Widens an interval without extent, so that it can be divided by. */
function widened(min: number, max: number): readonly [number, number] {
  if (max - min > Math.abs(max) * 1e-12) return [min, max];
  const room = min === 0 ? 1 : Math.abs(min) * 0.1;
  return [min - room, max + room];
}

/**
 * Makes a linear axis.
 *
 * @param from the smallest value, finite
 * @param to the largest value, finite
 * @param options `count`: about how many ticks, default 5; `whole`: whether the ends move to ticks, default false
 * @returns the axis; an interval without extent is widened
 */
export function linearAxis(
  from: number,
  to: number,
  { count = 5, whole = false }: { readonly count?: number; readonly whole?: boolean } = {},
): Axis {
  let [min, max] = widened(from, to);
  const step = niceStep((max - min) / count);
  if (whole) [min, max] = [Math.floor(min / step + 1e-9) * step, Math.ceil(max / step - 1e-9) * step];
  const largest = Math.max(Math.abs(min), Math.abs(max));
  const values: number[] = [];
  for (let i = Math.ceil(min / step - 1e-9); i * step <= max + step * 1e-9; i++) {
    values.push(i * step);
  }
  return { position: (value) => (value - min) / (max - min), ticks: labelled(values, largest) };
}

/**
 * Makes a logarithmic axis to base ten.
 *
 * @param from the smallest value, positive
 * @param to the largest value, at least `from`
 * @returns the axis, its ends moved to 1, 2 or 5 times a power of ten
 */
export function logAxis(from: number, to: number): Axis {
  const [first, last] = [Math.floor(Math.log10(from)) - 1, Math.ceil(Math.log10(to)) + 1];
  const steps: number[] = [];
  for (let power = first; power <= last; power++) for (const f of [1, 2, 5]) steps.push(Number(`${f}e${power}`));
  const start = steps.findLastIndex((value) => value <= from);
  const atOrAbove = steps.findIndex((value) => value >= to);
  const shown = steps.slice(start, Math.max(atOrAbove, start + 1) + 1);
  const [low, high] = [Math.log10(shown[0]!), Math.log10(shown.at(-1)!)];
  const powers = shown.filter((value) => Number.isInteger(Math.log10(value)));
  const spacing = Math.max(1, Math.ceil(powers.length / 6));
  const ticks = high - low > 2 ? powers.filter((_, i) => i % spacing === 0) : shown;
  return {
    position: (value) => (Math.log10(value) - low) / (high - low),
    ticks: ticks.map((value) => ({ value, label: formatNumber(value) })),
  };
}

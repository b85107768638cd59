// Reads the numbers of a JSON text from bytes, correctly rounded. Up to 15 digits with a power of ten up to 22 are exact in
// doubles and need one rounding (W. Clinger, "How to read floating point numbers accurately", 1990, fast path); 16 to 18 digits, of
// which scores are made, are divided as a sum of two doubles (T. Dekker, 1971) with a check that the error cannot change
// the rounding. All else is left to the engine. NaN, Infinity and -Infinity, which Python writes, are read as such.
import { type ByteWindow, readWord, refill, syntaxError } from "./byte-window";

const POWERS = Float64Array.from({ length: 23 }, (_, n) => Number(`1e${n}`));
const MAX_POWER = 22;
// Veltkamp's constant, which cuts a double into halves of 26 bits.
const SPLIT = 2 ** 27 + 1;
// Far above the error of a quotient of two doubles (about 2^-104) and far below half a unit in the last place (2^-54).
const QUOTIENT_ERROR = 2 ** -96;

/**
 * The double nearest to `(high · 10^n + low) / 10^scale`, or NaN where a sum of two doubles cannot tell.
 *
 * @param high integer below 10^9
 * @param low integer below 10^n
 * @param n 0 to 9
 * @param scale 0 to 22
 */
function divideWide(high: number, low: number, n: number, scale: number): number {
  // The integer as a sum of two doubles, exact: both products have at most 45 bits.
  const power = POWERS[n]!;
  const top = (high >>> 15) * power * 32768;
  const bottom = (high & 32767) * power + low;
  const sum = top + bottom;
  const rest = bottom - (sum - top);
  if (scale === 0) return sum;
  const divisor = POWERS[scale]!;
  const quotient = sum / divisor;
  // quotient · divisor as a sum of two doubles, exact.
  const a = SPLIT * quotient;
  const quotientHigh = a - (a - quotient);
  const quotientLow = quotient - quotientHigh;
  const b = SPLIT * divisor;
  const divisorHigh = b - (b - divisor);
  const divisorLow = divisor - divisorHigh;
  const product = quotient * divisor;
  const productRest =
    quotientLow * divisorLow -
    (product - quotientHigh * divisorHigh - quotientLow * divisorHigh - quotientHigh * divisorLow);
  const correction = (sum - product - productRest + rest) / divisor;
  const error = quotient * QUOTIENT_ERROR;
  const value = quotient + (correction + error);
  return value === quotient + (correction - error) ? value : Number.NaN;
}

function isDigit(c: number): boolean {
  return c >= 48 && c <= 57;
}

/** Whether a number, or what Python writes for one, may start with this byte. */
export function startsNumber(c: number): boolean {
  return (c >= 48 && c <= 57) || c === 45 || c === 78 || c === 73;
}

// Where the digits end that start at `i`.
function skipDigits(bytes: Uint8Array, i: number): number {
  while (isDigit(bytes[i]!)) i++;
  return i;
}

/**
 * Reads the number that starts at the window's place into a column: a double that is returned would go through the heap.
 *
 * @param w stands on the first byte of a value
 * @param into gets the double that `Number` gives for the same text
 * @param at its place there
 * @throws DatasetError when no number stands there
 */
export function readNumberInto(w: ByteWindow, into: Float64Array, at: number): void {
  for (;;) {
    const { bytes, at: start } = w;
    let i = start;
    const negative = bytes[i] === 45;
    if (negative) i++;
    let c = bytes[i]!;
    // The first nine digits, the next nine, and how many there are without leading zeros.
    let high = 0;
    let low = 0;
    let digits = 0;
    let scale = 0;
    let valid = true;
    if (c === 48) {
      c = bytes[++i]!;
    } else if (c >= 49 && c <= 57) {
      do {
        if (digits < 9) high = (high * 10 + c - 48) | 0;
        else if (digits < 18) low = (low * 10 + c - 48) | 0;
        digits++;
        c = bytes[++i]!;
      } while (c >= 48 && c <= 57);
    } else {
      valid = false;
    }
    if (valid && c === 46) {
      const point = ++i;
      c = bytes[i]!;
      if (digits === 0) while (c === 48) c = bytes[++i]!;
      while (c >= 48 && c <= 57) {
        if (digits < 9) high = (high * 10 + c - 48) | 0;
        else if (digits < 18) low = (low * 10 + c - 48) | 0;
        digits++;
        c = bytes[++i]!;
      }
      scale = i - point;
      valid = scale > 0;
    }
    if (valid && (c === 101 || c === 69)) {
      c = bytes[++i]!;
      const down = c === 45;
      if (down || c === 43) i++;
      const first = i;
      i = skipDigits(bytes, i);
      valid = i > first;
      let exponent = 0;
      for (let k = first; k < i && exponent < 10_000; k++) exponent = exponent * 10 + bytes[k]! - 48;
      scale += down ? exponent : -exponent;
    }
    if (i === w.end && !w.ended) {
      refill(w);
      continue;
    }
    if (!valid || isDigit(bytes[i]!)) {
      into[at] = readWordNumber(w);
      return;
    }
    w.at = i;
    let value = Number.NaN;
    if (digits === 0) value = 0;
    else if (digits <= 15 && scale >= -MAX_POWER && scale <= MAX_POWER) {
      const integer = digits <= 9 ? high : high * POWERS[digits - 9]! + low;
      value = scale > 0 ? integer / POWERS[scale]! : integer * POWERS[-scale]!;
    } else if (digits <= 18 && scale >= 0 && scale <= MAX_POWER) {
      value = divideWide(high, low, digits - 9, scale);
    }
    // Not a number: neither way is sure of the last bit.
    if (Number.isNaN(value)) into[at] = Number(new TextDecoder().decode(bytes.subarray(start, i)));
    else into[at] = negative ? -value : value;
    return;
  }
}

function readWordNumber(w: ByteWindow): number {
  if (readWord(w, "NaN")) return Number.NaN;
  if (readWord(w, "Infinity")) return Number.POSITIVE_INFINITY;
  if (readWord(w, "-Infinity")) return Number.NEGATIVE_INFINITY;
  throw syntaxError(w, "a number");
}

/** Reads the number that starts at the window's place; for numbers that are rare. */
export function readNumber(w: ByteWindow): number {
  const into = new Float64Array(1);
  readNumberInto(w, into, 0);
  return into[0]!;
}

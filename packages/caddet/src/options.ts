// Options that several commands share, and the checks on their values.
import { InvalidArgumentError, Option } from "commander";

/** Reads an integer from 1. */
export function natural(text: string): number {
  const value = Number(text);
  if (!(Number.isSafeInteger(value) && value > 0)) throw new InvalidArgumentError("Expected an integer from 1.");
  return value;
}

/** Reads a number from 0 to 1. */
export function fraction(text: string): number {
  const value = Number(text);
  if (!(value >= 0 && value <= 1)) throw new InvalidArgumentError("Expected a number from 0 to 1.");
  return value;
}

/** Reads bounds of the shorter and the longer side, "600,1000". */
export function targetSize(text: string): { readonly shorter: number; readonly longer: number } {
  const [shorter, longer] = (/^(\d{1,5}),(\d{1,5})$/.exec(text)?.slice(1) ?? []).map(Number);
  if (!(shorter! >= 1 && longer! >= shorter!)) {
    throw new InvalidArgumentError("Expected two sides in pixels, SHORTER,LONGER, e.g. 600,1000.");
  }
  return { shorter: shorter!, longer: longer! };
}

/** `--json`. */
export const json = () => new Option("--json", "print the result as JSON on the last line of stdout").default(false);

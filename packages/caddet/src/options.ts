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

/** `--json`. */
export const json = () => new Option("--json", "print the result as JSON on the last line of stdout").default(false);

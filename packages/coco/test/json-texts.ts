// JSON texts to break in tests, and what a parser makes of them: columns, or the error's class and text.
import { CaddetError } from "@caddet/core";
import fc from "fast-check";
import { byteSource } from "../src/json/byte-source";

export function bytesOf(text: string): Uint8Array {
  return new TextEncoder().encode(text);
}

/** A source that gives at most `piece` bytes at a time. */
export function pieceSource(bytes: Uint8Array, piece: number) {
  const whole = byteSource(bytes);
  return { read: (into: Uint8Array) => whole.read(into.subarray(0, piece)) };
}

/** The value, or the CaddetError's message; any other error is the test's failure. */
export function outcome<T>(run: () => T): { value: T } | { error: string } {
  try {
    return { value: run() };
  } catch (error) {
    if (!(error instanceof CaddetError)) throw error;
    return { error: error.message };
  }
}

/** JSON.parse's verdict on bytes that were read as UTF-8. */
export function parsedOf(bytes: Uint8Array): { json: unknown } | undefined {
  try {
    return { json: JSON.parse(new TextDecoder("utf-8", { ignoreBOM: true }).decode(bytes)) };
  } catch {
    return undefined;
  }
}

const SNIPPETS = [
  '"7"',
  "7",
  "-0",
  "1e308",
  "-1e309",
  "9007199254740993",
  "1.5",
  "null",
  "true",
  "false",
  "[]",
  "{}",
  "[[[[1]]]]",
  '"\\u00e9\\n"',
  '{"a":[1,{"b":2}]}',
  "[1,2,3]",
  "[1,2,3,4,5,6,7]",
  "[1,2,3,4]",
  '"id":3,',
  '"bbox":[1,2,3,4],',
  '"\\u0069d":8,',
  '"__proto__":1,',
  ",",
  "]",
  "}",
  "[",
  "{",
  ":",
  '"',
  "\\",
  "\u0000",
  "\n",
  " ",
  "é",
  "-",
  ".",
  "e",
  "01",
  "1.",
  "+1",
  "tru",
  "/**/",
  "'",
];

/** One change of a text: a cut, a byte, a snippet in place of a token or between two bytes, or a range twice. */
export const mutation = fc.record({
  kind: fc.constantFrom("cut", "flip", "token", "insert", "repeat", "remove"),
  at: fc.double({ min: 0, max: 1, maxExcluded: true, noNaN: true }),
  length: fc.integer({ min: 1, max: 40 }),
  byte: fc.integer({ min: 0, max: 255 }),
  snippet: fc.constantFrom(...SNIPPETS),
});

export type Mutation = typeof mutation extends fc.Arbitrary<infer T> ? T : never;

export function mutate(bytes: Uint8Array, { kind, at, length, byte, snippet }: Mutation): Uint8Array {
  const from = Math.floor(at * bytes.length);
  const head = bytes.subarray(0, from);
  const put = (middle: Uint8Array, rest: number) => Uint8Array.from([...head, ...middle, ...bytes.subarray(rest)]);
  if (kind === "cut") return head.slice();
  if (kind === "flip") return put(Uint8Array.of(byte), from + 1);
  if (kind === "insert") return put(bytesOf(snippet), from);
  if (kind === "repeat") return put(bytes.subarray(from, from + length), from);
  if (kind === "remove") return put(new Uint8Array(0), from + length);
  let end = from;
  while (end < bytes.length && !/[,\]}\s]/.test(String.fromCharCode(bytes[end]!))) end++;
  return put(bytesOf(snippet), end);
}

// Reads the reference cases of test/fixtures.
import { readFileSync } from "node:fs";

/** The cases of one fixture. */
export function goldenCases<T>(name: string): readonly T[] {
  const text = readFileSync(new URL(`fixtures/${name}.json`, import.meta.url), "utf8");
  return (JSON.parse(text) as { cases: T[] }).cases;
}

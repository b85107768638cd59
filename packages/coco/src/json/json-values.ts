// Checks on values that came from JSON. They answer; what a wrong value means is the caller's business.

/** Whether `value` is a JSON object. */
export function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

/** Whether `value` is an integer that a double holds exactly. */
export function isId(value: unknown): value is number {
  return Number.isSafeInteger(value);
}

/** Whether `value` is a list of four numbers, finite or not. */
export function isBox(value: unknown): value is [number, number, number, number] {
  return Array.isArray(value) && value.length === 4 && [0, 1, 2, 3].every((i) => typeof value[i] === "number");
}

/** Lists within lists are pictured down to here; deeper ones by their length. */
const SHOWN_DEPTH = 3;

/** A short picture of any value for an error text. */
export function show(value: unknown, depth = 0): string {
  if (typeof value === "number" || typeof value === "bigint") return String(value);
  if (value === undefined) return "nothing";
  if (Array.isArray(value)) {
    if (value.length > 6 || depth === SHOWN_DEPTH) return `a list of ${value.length}`;
    return `[${value.map((entry) => show(entry, depth + 1)).join(", ")}]`;
  }
  if (isRecord(value)) return `an object with the keys ${Object.keys(value).slice(0, 8).join(", ") || "(none)"}`;
  return JSON.stringify(value).slice(0, 80);
}

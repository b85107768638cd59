import util from "node:util";
import { expect, it } from "vitest";
import { restoreLegacyUtil } from "../src/node/legacy-util";

it("restores what Node 23 took out, and what it does is what it did", () => {
  const bare: Record<string, unknown> = { promisify: util.promisify };
  expect(restoreLegacyUtil(bare)).toEqual(["isNullOrUndefined", "isArray"]);
  const { isNullOrUndefined, isArray } = bare as Record<string, (value: unknown) => boolean>;
  expect([null, undefined, 0, "", false, Number.NaN].map((value) => isNullOrUndefined!(value))).toEqual([
    true,
    true,
    false,
    false,
    false,
    false,
  ]);
  expect([[], [1], { length: 1 }, new Float32Array(1), null].map((value) => isArray!(value))).toEqual([
    true,
    true,
    false,
    false,
    false,
  ]);
  expect(bare.promisify).toBe(util.promisify);
});

it("leaves alone what is there", () => {
  const isNullOrUndefined = () => true;
  const older: Record<string, unknown> = { isNullOrUndefined };
  expect(restoreLegacyUtil(older)).toEqual(["isArray"]);
  expect(older.isNullOrUndefined).toBe(isNullOrUndefined);
  expect(restoreLegacyUtil(older)).toEqual([]);
});

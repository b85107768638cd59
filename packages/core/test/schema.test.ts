import { describe, expect, it } from "vitest";
import { z } from "zod";
import { ConfigError } from "../src";
import { checkConfig } from "../src/schema";

const schema = z.strictObject({
  rate: z.number().positive().default(1),
  nested: z.strictObject({ weight: z.number().optional(), width: z.number().optional() }).prefault({}),
  rows: z.array(z.strictObject({ label: z.string().optional() })).optional(),
});

describe("checkConfig", () => {
  it("gives the parsed data with defaults", () => {
    expect(checkConfig(schema, {}, "test")).toEqual({ rate: 1, nested: {} });
  });

  it.each([
    [{ rat: 1 }, 'rat: unknown key. Did you mean "rate"?'],
    [{ nested: { weigth: 1 } }, 'nested.weigth: unknown key. Did you mean "weight"?'],
    [{ rows: [{}, { lable: "x" }] }, 'rows.1.lable: unknown key. Did you mean "label"?'],
    [{ nested: { somethingElse: 1 } }, "nested.somethingElse: unknown key. Known are weight, width."],
    [{ rate: "fast" }, "rate: Invalid input: expected number"],
    [3, "test: Invalid input: expected object"],
  ])("says of %j what is wrong and where", (input, message) => {
    expect(() => checkConfig(schema, input, "test")).toThrow(message);
  });

  it("puts every issue on a line of one ConfigError", () => {
    try {
      checkConfig(schema, { rate: -1, a: 1, bb: 2 }, "test");
      expect.unreachable();
    } catch (error) {
      expect(error).toBeInstanceOf(ConfigError);
      const { message, details } = error as ConfigError;
      expect(message.split("\n")[0]).toBe("The test configuration is not valid:");
      expect(details.issues).toHaveLength(3);
      expect(message.split("\n")).toHaveLength(4);
    }
  });

  it("puts the place of the data before every path", () => {
    const check = (input: unknown) => () => checkConfig(schema, input, "test", { at: "outer.inner" });
    expect(check({ rat: 1 })).toThrow('  outer.inner.rat: unknown key. Did you mean "rate"?');
    expect(check({ nested: { weight: "1" } })).toThrow("  outer.inner.nested.weight: Invalid input");
    expect(check(3)).toThrow("  outer.inner: Invalid input");
  });

  it("suggests a key by its other names, where the key is known", () => {
    const check = (input: unknown) => () =>
      checkConfig(schema, input, "test", { aliases: { strength: "weight", speed: "rate" } });
    expect(check({ nested: { stremgth: 1 } })).toThrow('nested.stremgth: unknown key. Did you mean "weight"?');
    expect(check({ sped: 1 })).toThrow('sped: unknown key. Did you mean "rate"?');
    expect(check({ stremgth: 1 })).toThrow("stremgth: unknown key. Known are rate, nested, rows.");
  });
});

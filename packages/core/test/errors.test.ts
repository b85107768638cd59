import { describe, expect, it } from "vitest";
import { CaddetError, CheckpointError, ConfigError, DatasetError, NonFiniteError, ShapeError } from "../src";

describe.each([
  [ShapeError, "shape"],
  [ConfigError, "config"],
  [DatasetError, "dataset"],
  [CheckpointError, "checkpoint"],
  [NonFiniteError, "non-finite"],
])("%o", (Kind, code) => {
  it("carries its name, code, message and details", () => {
    const error = new Kind("What was got.", { file: "a.json" });
    expect(error).toBeInstanceOf(CaddetError);
    expect(error).toBeInstanceOf(Error);
    expect(error).toMatchObject({ name: Kind.name, code, message: "What was got.", details: { file: "a.json" } });
    expect(new Kind("x").details).toEqual({});
  });
});

it("keeps the error that caused it", () => {
  const cause = new SyntaxError("bad JSON");
  for (const Kind of [ConfigError, DatasetError, CheckpointError])
    expect(new Kind("x", {}, { cause }).cause).toBe(cause);
  expect(new CaddetError("code", "x", {}, { cause }).cause).toBe(cause);
});

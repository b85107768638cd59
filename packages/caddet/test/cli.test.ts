import { describe, expect, it } from "vitest";
import packageJson from "../package.json" with { type: "json" };
import { createOutput } from "../src";
import { call } from "./call";

describe("caddet", () => {
  it("helps, with every command", async () => {
    const { code, out, err } = await call("--help");
    expect(code).toBe(0);
    for (const name of ["train", "evaluate", "detect", "madds", "doctor"])
      expect(out).toMatch(new RegExp(`^ +${name} `, "m"));
    expect(err).toBe("");
  });

  it.each(["train", "evaluate", "detect", "madds", "doctor"])("helps with %s, --json included", async (name) => {
    const { code, out } = await call(name, "--help");
    expect(code).toBe(0);
    expect(out).toMatch(new RegExp(`^Usage: caddet ${name} `));
    expect(out).toContain("--json");
  });

  it("tells its version", async () => {
    expect(await call("--version")).toMatchObject({ code: 0, out: `${packageJson.version}\n` });
  });

  it.each([
    [[], "Usage: caddet"],
    [["trian"], "unknown command 'trian'\n(Did you mean train?)"],
    [["train", "--data", "d", "--out", "o", "--resum"], "unknown option '--resum'\n(Did you mean --resume?)"],
    [["train", "--data", "d"], "required option '--out <dir>' not specified"],
    [["detect", "--run", "r"], "required option '--image <file>' not specified"],
    [["doctor", "now"], "too many arguments"],
    [["evaluate", "--run", "r", "--data", "d", "--backend", "tpu"], "Allowed choices are auto, tfjs-node-gpu, "],
    [["evaluate", "--run", "r", "--data", "d", "--limit", "0"], "Expected an integer from 1."],
    [["evaluate", "--run", "r", "--data", "d", "--limit", "1.5"], "Expected an integer from 1."],
    [["detect", "--run", "r", "--image", "i", "--threshold", "2"], "Expected a number from 0 to 1."],
    [["detect", "--run", "r", "--image", "i", "--max", "many"], "Expected an integer from 1."],
  ])("refuses the call %j with exit code 2", async (args, message) => {
    const { code, out, err } = await call(...args);
    expect(code).toBe(2);
    expect(out).toBe("");
    expect(err).toContain(message);
    expect(err).not.toMatch(/\n\s+at /);
  });
});

describe("createOutput", () => {
  const failureText = (error: unknown) => {
    let text = "";
    const write = (part: string) => {
      text += part;
    };
    createOutput({ write }, { write }).failure(error);
    return text;
  };

  it("gives the message of an error that was thrown on purpose, and the stack of a fault", () => {
    expect(failureText(Object.assign(new Error("no such file"), { code: "ENOENT" }))).toBe("error: no such file\n");
    expect(failureText(new TypeError("oops"))).toMatch(/^error: TypeError: oops\n\s+at /);
    expect(failureText("a text")).toBe("error: a text\n");
  });
});

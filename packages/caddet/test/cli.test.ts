import { describe, expect, it } from "vitest";
import packageJson from "../package.json" with { type: "json" };
import { createOutput } from "../src";
import { call } from "./call";

describe("caddet", () => {
  it("helps, with every command", async () => {
    const { code, out, err } = await call("--help");
    expect(code).toBe(0);
    for (const name of ["train", "evaluate", "detect", "export", "bench", "madds", "doctor"])
      expect(out).toMatch(new RegExp(`^ +${name} `, "m"));
    expect(err).toBe("");
  });

  it.each(["train", "evaluate", "detect", "export", "bench infer", "madds", "doctor"])(
    "helps with %s, --json included",
    async (name) => {
      const { code, out } = await call(...name.split(" "), "--help");
      expect(code).toBe(0);
      expect(out).toMatch(new RegExp(`^Usage: caddet ${name} `));
      expect(out).toContain("--json");
    },
  );

  it("tells its version", async () => {
    expect(await call("--version")).toMatchObject({ code: 0, out: `${packageJson.version}\n` });
  });

  it.each([
    [[], "Usage: caddet"],
    [["trian"], "unknown command 'trian'\n(Did you mean train?)"],
    [["train", "--data", "d", "--out", "o", "--resum"], "unknown option '--resum'\n(Did you mean --resume?)"],
    [["train", "--data", "d"], "required option '--out <dir>' not specified"],
    [["evaluate", "--run", "r"], "required option '--data <dir>' not specified"],
    [["detect", "--run", "r"], "nothing to look at; name files, folders, globs, videos, or - for stdin."],
    [["detect", "i", "--run", "r", "--image", "i"], "--image takes the place of inputs; give one of them."],
    [["detect", "-", "-", "--run", "r"], "stdin (-) can be read once."],
    [["detect", "i", "--run", "r", "--list"], "--list is about stdin; give - as an input."],
    [["detect", "i", "--run", "r", "--annotations", "a"], "--annotations is about --results FILE."],
    [["detect", "i", "--run", "r", "--engine", "tpu"], "Allowed choices are auto, tfjs, onnx."],
    [["detect", "i", "--run", "r", "--fps", "0"], "Expected a number above 0."],
    [["detect", "i", "--run", "r", "--batch", "0"], "Expected an integer from 1."],
    [["export", "--run", "r"], "required option '--out <file>' not specified"],
    [["export", "--run", "r", "--out", "o", "--mode", "fixed"], "--mode fixed needs the route"],
    [
      ["export", "--run", "r", "--out", "o", "--mode", "masked", "--route", "f"],
      "A route belongs to --mode fixed, not to masked.",
    ],
    [
      ["export", "--run", "r", "--out", "o", "--route", "f", "--route-of", "i"],
      "--route and --route-of exclude one another.",
    ],
    [["export", "--run", "r", "--out", "o", "--size", "640"], "Expected HEIGHTxWIDTH in pixels, e.g. 640x800."],
    [["export", "--run", "r", "--out", "o", "--output", "boxes"], "Allowed choices are detections, raw, features."],
    [["bench"], "Usage: caddet bench"],
    [["bench", "infer", "--run", "r", "--size", "0x9"], "Expected HEIGHTxWIDTH in pixels"],
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

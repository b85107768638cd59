// onnxruntime-node where it is missing or broken; where it is here, see doctor.test.ts.
import { describe, expect, it } from "vitest";
import { inspectOnnxRuntime, loadOnnxRuntime } from "../src/onnxruntime";

const missing = () => {
  throw Object.assign(new Error("Cannot find module 'onnxruntime-node'\nRequire stack:\n- here"), {
    code: "MODULE_NOT_FOUND",
  });
};
const broken = () => {
  throw new Error("libonnxruntime.so.1: cannot open shared object file\n  at binding.js");
};

describe("loadOnnxRuntime", () => {
  it.each([
    ["missing", missing, "onnxruntime-node is not installed. Run `npm install onnxruntime-node`."],
    [
      "broken",
      broken,
      /^onnxruntime-node does not start: libonnxruntime\.so\.1: cannot open shared object file\. Run /,
    ],
  ])("says what to do where it is %s", (_, load, message) => {
    expect(() => loadOnnxRuntime(load)).toThrow(expect.objectContaining({ code: "onnxruntime-missing" }));
    expect(() => loadOnnxRuntime(load)).toThrow(message);
  });
});

describe("inspectOnnxRuntime", () => {
  it("reports instead", () => {
    expect(inspectOnnxRuntime(missing)).toEqual({
      available: false,
      version: null,
      providers: [],
      reason: "onnxruntime-node is not installed. Run `npm install onnxruntime-node`.",
    });
  });

  it("leaves out providers that are not inside the package", () => {
    const backends = [
      { name: "cpu", bundled: true },
      { name: "cuda", bundled: false },
    ];
    const load = () => ({ env: { versions: { node: "9.8.7" } }, listSupportedBackends: () => backends });
    expect(inspectOnnxRuntime(load)).toEqual({
      available: true,
      version: "9.8.7",
      providers: ["cpu"],
      reason: "It runs exported models on cpu.",
    });
  });
});

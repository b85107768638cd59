// What concerns the module and its registration rather than one kernel.
import * as tf from "@tensorflow/tfjs-core";
import { beforeAll, describe, expect, it } from "vitest";
import { registerWasmKernels } from "../src/kernels";
import { heapOf, type WasmBackend } from "../src/kernels/heap";
import { instantiateKernels, kernelBuild } from "../src/kernels/module";
import { expectClose, onCpu, onWasm, seeded, uniform, useWasm } from "./harness";

beforeAll(useWasm);

const random = seeded(12);
const x = uniform(random, [1, 9, 11, 20]);
const dy = uniform(random, [1, 9, 11, 12]);
const attrs = { strides: 1, pad: "same", dataFormat: "NHWC", filterShape: [3, 3, 20, 12] };

function heapBytes(): number {
  return (tf.backend() as unknown as WasmBackend).wasm.asm.memory.buffer.byteLength;
}

describe("registerWasmKernels", () => {
  it("is idempotent", () => {
    const before = tf.getKernel(tf.BatchMatMul, "wasm");
    registerWasmKernels();
    expect(tf.getKernel(tf.BatchMatMul, "wasm")).toBe(before);
    expect(tf.getKernel("CaddetBatchNorm", "wasm")).toBeDefined();
  });

  it("refuses a backend without a WebAssembly heap", () => {
    expect(() => heapOf({})).toThrow(/expected the one of @tensorflow\/tfjs-backend-wasm/);
  });
});

describe("the heap", () => {
  it("does not grow over repeated calls", () => {
    const once = () => onWasm(tf.Conv2DBackpropFilter, { x, dy }, attrs);
    for (let i = 0; i < 5; i++) once();
    const before = heapBytes();
    for (let i = 0; i < 400; i++) once();
    expect(heapBytes()).toBe(before);
  });

  it("may grow between calls", () => {
    const expected = onCpu(tf.Conv2DBackpropFilter, { x, dy }, attrs)[0]!;
    expectClose(onWasm(tf.Conv2DBackpropFilter, { x, dy }, attrs)[0]!, expected);
    const before = heapBytes();
    const large = tf.zeros([before / 4]);
    large.dataSync();
    expect(heapBytes()).toBeGreaterThan(before);
    expectClose(onWasm(tf.Conv2DBackpropFilter, { x, dy }, attrs)[0]!, expected);
    large.dispose();
  });
});

describe("the module", () => {
  it("runs on a shared memory, as of a threaded backend", () => {
    const memory = new WebAssembly.Memory({ initial: 2, maximum: 65536, shared: true });
    const exports = instantiateKernels(memory, "simd");
    const values = new Float32Array(memory.buffer, 1024, 9);
    values.fill(3);
    expect(exports.sumOfSquares(1024, 9)).toBe(81);
  });

  it("writes nothing to the memory when it is instantiated", () => {
    const memory = new WebAssembly.Memory({ initial: 2, maximum: 65536 });
    const bytes = new Uint8Array(memory.buffer).fill(0xa5);
    instantiateKernels(memory, "simd");
    expect(bytes.every((byte) => byte === 0xa5)).toBe(true);
  });

  it.skipIf(kernelBuild() !== "relaxed-simd")("has a relaxed SIMD build that gives the values of the plain one", () => {
    const [m, n, k] = [13, 21, 37];
    const products = (["simd", "relaxed-simd"] as const).map((build) => {
      const memory = new WebAssembly.Memory({ initial: 32, maximum: 65536 });
      const exports = instantiateKernels(memory, build);
      const source = seeded(1);
      new Float32Array(memory.buffer, 1024, m * k + k * n).forEach((_, i, all) => {
        all[i] = source() - 0.5;
      });
      exports.matMul(1024, 1024 + m * k * 4, 65536, m, n, k, 0, 0, 131072);
      return { values: new Float32Array(memory.buffer, 65536, m * n), shape: [m, n] };
    });
    expectClose(products[1]!, products[0]!, 1e-5);
    expect(products[0]!.values.every((value) => value !== 0)).toBe(true);
  });
});

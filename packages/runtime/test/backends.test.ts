import * as tf from "@tensorflow/tfjs-core";
import { afterAll, afterEach, beforeAll, describe, expect, it } from "vitest";
import { RuntimeError } from "../src";
import { BACKENDS, type BackendName, inspectBackends, prepareBackend } from "../src/node";
import { cpuName, describeAdapter } from "../src/node/device";
import { type InstalledPackage, installPackage } from "./installed-package";

async function failureOf(promise: Promise<unknown>): Promise<RuntimeError> {
  const error = await promise.then(
    () => undefined,
    (reason: unknown) => reason,
  );
  expect(error).toBeInstanceOf(RuntimeError);
  return error as RuntimeError;
}

const reports = await inspectBackends();

describe("inspectBackends", () => {
  it("reports every backend in the order of preference and chooses the first that is no software", () => {
    expect(reports.backends.map(({ name }) => name)).toEqual([...BACKENDS]);
    expect(reports.chosen).toBe(reports.backends.find(({ available, software }) => available && !software)?.name);
  });

  it("finds wasm and cpu usable for training", () => {
    for (const { name, available, trainable, device } of reports.backends.slice(3)) {
      expect({ name, available, trainable, named: Boolean(device) }).toEqual({
        name,
        available: true,
        trainable: true,
        named: true,
      });
    }
  });

  it("says in sentences why, and names a device only for what is available", () => {
    for (const { reason, available, device } of reports.backends) {
      expect(reason).toMatch(/\.$/);
      expect(device === undefined).toBe(!available);
    }
  });

  it("loads nothing into this process", () => {
    expect(tf.engine().backendNames()).toEqual([]);
    expect(tf.getGradient(tf.Conv2D)).toBeUndefined();
    expect((globalThis as { GPUDevice?: unknown }).GPUDevice).toBeUndefined();
  });
});

describe("prepareBackend", () => {
  for (const { name, available, device, software } of reports.backends) {
    it.skipIf(!available)(`trains a separable convolution on ${name}, without a tensor left behind`, async () => {
      const tfBackend = name.startsWith("tfjs-node") ? "tensorflow" : name;
      expect(await prepareBackend({ backend: name })).toEqual({ name, tfBackend, device, software });
      expect(tf.getBackend()).toBe(tfBackend);
      const before = tf.memory().numTensors;
      expect(await separableGradients()).toEqual([200, 200, 200]);
      expect(tf.memory().numTensors).toBe(before);
    });
  }

  it("is the same when called again", async () => {
    const first = await prepareBackend({ backend: "wasm" });
    const backend = tf.backend();
    expect(await prepareBackend({ backend: "wasm" })).toEqual(first);
    expect(tf.backend()).toBe(backend);
  });

  it("makes a gather differentiable on wasm", async () => {
    await prepareBackend({ backend: "wasm" });
    const before = tf.memory().numTensors;
    const gradient = tf.tidy(() => tf.grad((x) => tf.gather(x, tf.tensor1d([1, 1], "int32")))(tf.ones([2])));
    expect(Array.from(await gradient.data())).toEqual([0, 2]);
    gradient.dispose();
    expect(tf.memory().numTensors).toBe(before);
  });

  it("refuses a name that it does not know, with the names that it does", async () => {
    const error = await failureOf(prepareBackend({ backend: "cuda" as BackendName }));
    expect(error).toMatchObject({ code: "backend-unknown", backend: "cuda" });
    expect(error.message).toBe(
      'Got the backend "cuda", expected one of auto, tfjs-node-gpu, tfjs-node, webgpu, wasm, cpu. Use one of these names.',
    );
  });
});

/** Sums of the three gradients of a depthwise and a 1x1 convolution over 4x4 ones; each is 200. */
async function separableGradients(): Promise<number[]> {
  const sums = tf.tidy(() => {
    const loss = (x: tf.Tensor, w: tf.Tensor, d: tf.Tensor) =>
      tf.sum(
        tf.conv2d(tf.depthwiseConv2d(x as tf.Tensor4D, d as tf.Tensor4D, 1, "same"), w as tf.Tensor4D, 1, "same"),
      ) as tf.Scalar;
    const gradients = tf.grads(loss)([tf.ones([1, 4, 4, 1]), tf.ones([1, 1, 1, 2]), tf.ones([3, 3, 1, 1])]);
    return tf.stack(gradients.map((gradient) => tf.sum(gradient)));
  });
  const values = Array.from(await sums.data());
  sums.dispose();
  return values;
}

describe("describeAdapter", () => {
  it.each([
    {
      adapter: { device: "NVIDIA H100", description: "NVIDIA: 550.54" },
      device: "NVIDIA H100 (NVIDIA: 550.54)",
      software: false,
    },
    { adapter: { vendor: "google", architecture: "swiftshader" }, device: "google swiftshader", software: true },
    { adapter: { vendor: "mesa", device: "llvmpipe (LLVM 15.0.6)" }, device: "llvmpipe (LLVM 15.0.6)", software: true },
    {
      adapter: { description: "Microsoft Basic Render Driver" },
      device: "unnamed adapter (Microsoft Basic Render Driver)",
      software: true,
    },
    {
      adapter: { vendor: "apple", architecture: "metal-3", isFallbackAdapter: true },
      device: "apple metal-3",
      software: true,
    },
    { adapter: {}, device: "unnamed adapter", software: false },
  ])("$device", ({ adapter, device, software }) => {
    expect(describeAdapter(adapter)).toEqual({ device, software });
  });
});

// A package in the shape of tfjs-node: it registers the backend "tensorflow" and selects it. The kernels are cpu's.
const standIn = (isGPUPackage: boolean, isUsingGpuDevice = false) => `
  const tf = require("@tensorflow/tfjs-core");
  const { MathBackendCPU } = require("@tensorflow/tfjs-backend-cpu");
  const { isNullOrUndefined, isArray } = require("node:util");
  if (!isNullOrUndefined(null) || !isArray([])) throw new Error("util is not shimmed");
  if (!tf.getKernel("Conv2D", "tensorflow")) tf.copyRegisteredKernels("cpu", "tensorflow");
  tf.registerBackend("tensorflow", () => Object.assign(new MathBackendCPU(), { isGPUPackage: ${isGPUPackage}, isUsingGpuDevice: ${isUsingGpuDevice} }), 3);
  tf.setBackend("tensorflow");`;

const IMPORTS = {
  mjs: `
    import { prepareBackend, inspectBackends } from "@caddet/runtime/node";
    import { RuntimeError } from "@caddet/runtime";
    import * as tf from "@tensorflow/tfjs-core";`,
  cjs: `
    const { prepareBackend, inspectBackends } = require("@caddet/runtime/node");
    const { RuntimeError } = require("@caddet/runtime");
    const tf = require("@tensorflow/tfjs-core");`,
};

const program = (format: "mjs" | "cjs", body: string) => `${IMPORTS[format]}
  const explain = (error) => ({
    known: error instanceof RuntimeError, code: error.code, backend: error.backend, hint: error.hint, message: error.message,
  });
  (async () => { ${body} })().then((result) => console.log(JSON.stringify(result)));`;

const PREPARE = `return { ...(await prepareBackend()), current: tf.getBackend() };`;
const INSPECT = `
  const { chosen, backends } = await inspectBackends();
  return { chosen, reasons: Object.fromEntries(backends.map(({ name, reason }) => [name, reason])) };`;
const force = (name: BackendName) => `
  const error = await prepareBackend({ backend: "${name}" }).catch(explain);
  return { ...error, left: tf.engine().backendNames() };`;

interface Inspected {
  chosen: BackendName;
  reasons: Record<BackendName, string>;
}

describe("the built package among optional peers", () => {
  let installed: InstalledPackage;
  const inspect = async () => (await installed.run("mjs", program("mjs", INSPECT))) as Inspected;

  beforeAll(async () => {
    installed = await installPackage();
  });
  afterEach(() => installed.removePeers());
  afterAll(() => installed.remove());

  it.each(["mjs", "cjs"] as const)("takes wasm where no peer is installed, from %s", async (format) => {
    expect(await installed.run(format, program(format, PREPARE))).toMatchObject({ name: "wasm", current: "wasm" });
  });

  it.each(["mjs", "cjs"] as const)("says what to install where a forced one is missing, from %s", async (format) => {
    for (const name of BACKENDS.slice(0, 3)) {
      expect(await installed.run(format, program(format, force(name)))).toMatchObject({
        known: true,
        code: "backend-unavailable",
        backend: name,
        hint: expect.stringContaining("npm install"),
        message: expect.stringMatching(new RegExp(`^The backend ${name} cannot be used: .* is not installed\\. Run`)),
        left: [],
      });
    }
  });

  it("passes over peers that are broken, each in its own way", async () => {
    installed.addPeer(
      "@tensorflow/tfjs-node-gpu",
      'throw new Error("libcudart.so.11.0: cannot open shared object file");',
    );
    installed.addPeer("@tensorflow/tfjs-node", "process.abort();");
    installed.addPeer("webgpu", "exports.globals = {}; exports.create = () => ({ requestAdapter: async () => null });");
    const { chosen, reasons } = await inspect();
    expect(chosen).toBe("wasm");
    expect(reasons["tfjs-node-gpu"]).toContain("does not work: libcudart.so.11.0: cannot open shared object file. Run");
    expect(reasons["tfjs-node"]).toContain("does not work: the process that loaded it ended with ");
    expect(reasons.webgpu).toContain("does not work: WebGPU found no adapter.");
    expect(await installed.run("cjs", program("cjs", PREPARE))).toMatchObject({ name: "wasm", current: "wasm" });
    expect(await installed.run("mjs", program("mjs", force("tfjs-node")))).toMatchObject({ known: true, left: [] });
  });

  it("refuses a backend that computes wrong values", async () => {
    installed.addPeer(
      "@tensorflow/tfjs-node",
      `${standIn(false)}
      const { kernelFunc } = tf.getKernel("Conv2D", "tensorflow");
      tf.unregisterKernel("Conv2D", "tensorflow");
      tf.registerKernel({
        kernelName: "Conv2D",
        backendName: "tensorflow",
        kernelFunc: (call) => kernelFunc({ ...call, attrs: { ...call.attrs, pad: "same" } }),
      });`,
    );
    expect((await inspect()).reasons["tfjs-node"]).toContain("its convolution gives wrong values");
  });

  it("refuses a second libtensorflow in a process", async () => {
    installed.addPeer("@tensorflow/tfjs-node-gpu", standIn(true));
    installed.addPeer("@tensorflow/tfjs-node", standIn(false));
    const asked = `
      await prepareBackend({ backend: "tfjs-node" });
      await prepareBackend({ backend: "wasm" });
      const again = (await prepareBackend({ backend: "tfjs-node" })).name;
      return { again, ...(await prepareBackend({ backend: "tfjs-node-gpu" }).catch(explain)) };`;
    expect(await installed.run("mjs", program("mjs", asked))).toMatchObject({
      again: "tfjs-node",
      code: "backend-unavailable",
      backend: "tfjs-node-gpu",
      message: expect.stringMatching(/another build of libtensorflow is loaded in this process\. Start another/),
    });
  });

  it.each(["mjs", "cjs"] as const)(
    "prefers tfjs-node to wasm, but tfjs-node-gpu only with a GPU or when asked for, from %s",
    async (format) => {
      installed.addPeer("@tensorflow/tfjs-node-gpu", standIn(true));
      installed.addPeer("@tensorflow/tfjs-node", standIn(false));
      expect(await installed.run(format, program(format, PREPARE))).toMatchObject({
        name: "tfjs-node",
        tfBackend: "tensorflow",
        current: "tensorflow",
      });
      const { reasons } = await inspect();
      expect(reasons["tfjs-node-gpu"]).toMatch(
        /^libtensorflow .*, so it computes on the CPU, and only when asked for\. /,
      );
      const asked = `return await prepareBackend({ backend: "tfjs-node-gpu" });`;
      expect(await installed.run(format, program(format, asked))).toEqual({
        name: "tfjs-node-gpu",
        tfBackend: "tensorflow",
        device: cpuName(),
        software: true,
      });
      expect(reasons["tfjs-node"]).toBe("libtensorflow runs on the CPU.");
      installed.addPeer("@tensorflow/tfjs-node-gpu", standIn(true, true));
      expect((await inspect()).chosen).toBe("tfjs-node-gpu");
    },
  );
});

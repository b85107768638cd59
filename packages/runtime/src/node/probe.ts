// Tries a backend out in a child process: loads it and runs a convolution and its filter gradient. In this process an
// import cannot be taken back: tfjs-node selects itself, Dawn leaves globals behind, and a broken native library ends the
// process. A child costs 0.1-2 s, and only for a package that is installed.
import { execFile } from "node:child_process";
import { pathToFileURL } from "node:url";
import { type BackendName, PACKAGES, TF_BACKENDS } from "./backend-name";
import type { AdapterDescription } from "./device";
import { findPackage } from "./packages";

/** What a probe found. */
export type ProbeResult =
  | { status: "missing" }
  | { status: "broken"; detail: string }
  | { status: "runs"; backward: boolean; usesGpu: boolean; adapter: AdapterDescription | undefined };

const MARK = "caddet-probe:";
const TIMEOUT_MS = 60_000;

// The child has no source of ours to import, bundled or not, so what it runs is text. `-e` gives it CommonJS.
// Arguments: TensorFlow.js' backend name, the path of the backend's package, of tfjs-core, the URL of `webgpu` or "".
const CHILD = `
const util = require("node:util");
const { writeSync } = require("node:fs");
const [backend, path, core, webgpu] = process.argv.slice(1);
util.isNullOrUndefined ??= (value) => value === null || value === undefined;
util.isArray ??= Array.isArray;

async function adapterOf() {
  const { create, globals } = await import(webgpu);
  Object.assign(globalThis, globals);
  const gpu = create([]);
  globalThis.navigator ??= {};
  Object.defineProperty(navigator, "gpu", { value: gpu });
  const adapter = await gpu.requestAdapter({ powerPreference: "high-performance" });
  if (!adapter) throw new Error("WebGPU found no adapter");
  const { vendor, architecture, device, description, isFallbackAdapter } = adapter.info;
  return { vendor, architecture, device, description, isFallbackAdapter };
}

async function sums(tensor) {
  return (await tensor.data()).reduce((sum, value) => sum + value, 0);
}

async function probe() {
  const adapter = webgpu ? await adapterOf() : undefined;
  const tf = require(core);
  require(path);
  if (!(await tf.setBackend(backend))) throw new Error("the backend does not start");
  const x = tf.ones([1, 4, 4, 1]);
  const filter = tf.ones([3, 3, 1, 1]);
  const y = tf.conv2d(x, filter, 1, "valid");
  if ((await sums(y)) !== 36) throw new Error("its convolution gives wrong values");
  let backward = false;
  if (tf.getKernel("Conv2DBackpropFilter", backend)) {
    const attrs = { strides: 1, pad: "valid", dataFormat: "NHWC", dimRoundingMode: undefined, filterShape: [3, 3, 1, 1] };
    const gradient = tf.engine().runKernel("Conv2DBackpropFilter", { x, dy: tf.onesLike(y) }, attrs);
    if ((await sums(gradient)) !== 36) throw new Error("the gradient of its convolution gives wrong values");
    backward = true;
  }
  return { status: "runs", backward, usesGpu: tf.backend().isUsingGpuDevice === true, adapter };
}

probe()
  .catch((error) => ({ status: "broken", detail: String(error?.message ?? error).trim().split("\\n")[0].replace(/[\\s.]+$/, "") }))
  .then((result) => {
    writeSync(1, "\\n${MARK}" + JSON.stringify(result) + "\\n");
    process.exit(0);
  });
`;

function readResult(stdout: string): ProbeResult | undefined {
  const line = stdout.split("\n").find((text) => text.startsWith(MARK));
  return line === undefined ? undefined : (JSON.parse(line.slice(MARK.length)) as ProbeResult);
}

/**
 * Tries a backend out; never throws, and leaves this process as it is.
 *
 * @param name which one
 * @param main the main file of its package, by default the one that would be loaded
 */
export function probeBackend(name: BackendName, main = findPackage(PACKAGES[name])): Promise<ProbeResult> {
  const backend = name === "webgpu" ? findPackage("@tensorflow/tfjs-backend-webgpu") : main;
  const core = findPackage("@tensorflow/tfjs-core");
  if (main === undefined || backend === undefined || core === undefined) return Promise.resolve({ status: "missing" });
  const args = ["-e", CHILD, TF_BACKENDS[name], backend, core, name === "webgpu" ? pathToFileURL(main).href : ""];
  // libtensorflow takes a GPU's whole memory otherwise, and others may be at work there. 3: its log of what it finds stays silent.
  const env = { TF_FORCE_GPU_ALLOW_GROWTH: "true", ...process.env, TF_CPP_MIN_LOG_LEVEL: "3" };
  const result = new Promise<ProbeResult>((resolve) => {
    const options = { env, timeout: TIMEOUT_MS, killSignal: "SIGKILL", maxBuffer: 2 ** 24 } as const;
    execFile(process.execPath, args, options, (error, stdout) => {
      const end = error?.signal ? `signal ${error.signal}` : `exit code ${error?.code ?? 0}`;
      // A result counts even if the native library crashed while the process ended.
      resolve(readResult(stdout) ?? { status: "broken", detail: `the process that loaded it ended with ${end}` });
    });
  });
  // Node's permission model may forbid child processes.
  return result.catch((error: Error) => ({ status: "broken", detail: `it could not be tried out: ${error.message}` }));
}

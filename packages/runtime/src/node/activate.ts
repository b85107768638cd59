// Loads one backend into this process and makes it TensorFlow.js' current one. It expects that the backend works; whether
// it does, a probe finds out. Each is imported only here, when it is asked for.
import { dirname, sep } from "node:path";
import { pathToFileURL } from "node:url";
import util from "node:util";
import * as tf from "@tensorflow/tfjs-core";
import { RuntimeError } from "../errors";
import { registerWasmKernels } from "../kernels";
import { kernelBuild } from "../kernels/module";
import { registerNativeKernels } from "../kernels/native";
import { registerNativeConvolutions } from "../kernels/native/fused-convolution";
import { registerWebgpuKernels } from "../kernels/webgpu";
import { type BackendName, PACKAGES, TF_BACKENDS } from "./backend-name";
import { registerGraphUpdates } from "./graphs/updates";
import { restoreLegacyUtil } from "./legacy-util";
import { findPackage, loadFile } from "./packages";

function mainOf(name: string): string {
  const path = findPackage(name);
  if (path === undefined) throw new Error(`${name} is not installed`);
  return path;
}

function loadTensorflow(name: BackendName): void {
  // Both packages register under one name, of which the first stays.
  const loaded = tf.findBackend("tensorflow") as { isGPUPackage?: boolean } | null;
  if (loaded && (loaded.isGPUPackage === true) !== (name === "tfjs-node-gpu")) {
    const hint = "Start another process for it.";
    const message = `The backend ${name} cannot be used: another build of libtensorflow is loaded in this process. ${hint}`;
    throw new RuntimeError("backend-unavailable", message, { backend: name, hint });
  }
  restoreLegacyUtil(util);
  // libtensorflow reports its build flags on stderr otherwise; warnings stay.
  process.env.TF_CPP_MIN_LOG_LEVEL ??= "1";
  loadFile(mainOf(PACKAGES[name]));
  registerNativeConvolutions();
  registerNativeKernels();
  registerGraphUpdates();
}

interface Dawn {
  create(flags: string[]): unknown;
  globals: object;
}

async function loadWebgpu(): Promise<void> {
  const { create, globals } = (await import(pathToFileURL(mainOf(PACKAGES.webgpu)).href)) as Dawn;
  Object.assign(globalThis, globals);
  // Node 20 has no `navigator`; that of Node 21 and later is kept and gets a `gpu`.
  const scope = globalThis as { navigator?: object };
  if (!scope.navigator) Object.defineProperty(scope, "navigator", { value: {}, configurable: true, writable: true });
  const navigator = scope.navigator as { gpu?: unknown };
  // Preparing it again must not replace a device that holds tensors.
  if (!navigator.gpu) Object.defineProperty(navigator, "gpu", { value: create([]), configurable: true });
  await import("@tensorflow/tfjs-backend-webgpu");
  registerWebgpuKernels();
}

async function loadWasm(): Promise<void> {
  // Before anything is registered, so that an engine without SIMD leaves no trace.
  kernelBuild();
  const { setWasmPaths } = await import("@tensorflow/tfjs-backend-wasm");
  setWasmPaths(dirname(mainOf(PACKAGES.wasm)) + sep);
  registerWasmKernels();
}

/** Loads a backend and selects it; throws whatever its packages throw. */
export async function activateBackend(name: BackendName): Promise<void> {
  if (name === "tfjs-node-gpu" || name === "tfjs-node") loadTensorflow(name);
  else if (name === "webgpu") await loadWebgpu();
  else if (name === "wasm") await loadWasm();
  else await import("@tensorflow/tfjs-backend-cpu");
  if (!(await tf.setBackend(TF_BACKENDS[name]))) throw new Error(`TensorFlow.js could not start its backend ${name}`);
}

// The backends of this package's tests: those that work here, and in front of them wasm as TensorFlow.js has it, where operations run as
// compositions in place of the runtime's fused kernels. Kernels stay registered: within a file, plain wasm comes before wasm.
import { registerGradients } from "@caddet/runtime";
import "@tensorflow/tfjs-backend-wasm";
import * as tf from "@tensorflow/tfjs-core";
import { backends as present, useBackend as usePresent, withoutLeak } from "#test/backends";

const PLAIN = "wasm without fused kernels";

/** A backend, or wasm without fused kernels. */
export type TestBackend = (typeof present)[number] | typeof PLAIN;

export const backends: readonly TestBackend[] = [PLAIN, ...present];

/** Backends with the gradients of convolutions, which plain wasm lacks. */
export const trainable = present;

let hasKernels = false;

/** Runs a test body on a backend and checks that it leaves no tensor behind. */
export async function onBackend(name: TestBackend, body: () => void | Promise<void>): Promise<void> {
  if (name === PLAIN) {
    if (hasKernels) throw new Error("Fused kernels stay registered; run plain wasm before them.");
    registerGradients();
    await tf.setBackend("wasm");
  } else {
    hasKernels ||= name === "wasm";
    await usePresent(name);
  }
  await withoutLeak(body);
}

// The one way in which the specifications of all packages choose backends: a specification of code with tensors runs `describe.each` over
// `backends`, which are those that work here, and prepares each by `useBackend` or `onBackend`. Values are read by `await data()`, which
// every backend has; webgpu in Node has no `dataSync()`. What a backend cannot do, backend-gaps.ts says by name.
import { type BackendName, prepareBackend } from "@caddet/runtime/node";
import * as tf from "@tensorflow/tfjs-core";
import { inject } from "vitest";

/** Backends that work here, cpu and wasm first. */
export const backends: readonly BackendName[] = inject("backends");

// By the name that TensorFlow.js has for them. Preparing a native or a WebGPU one again would try it out in a child process again.
const prepared = new Map<BackendName, string>();

/** Makes a backend the current one, with the gradients and kernels that TensorFlow.js lacks. */
export async function useBackend(name: BackendName): Promise<void> {
  const tfBackend = prepared.get(name);
  if (tfBackend === undefined) prepared.set(name, (await prepareBackend({ backend: name })).tfBackend);
  else if (!(await tf.setBackend(tfBackend))) throw new Error(`The backend ${name} did not start again.`);
}

/** Fails where `body` leaves tensors behind. */
export async function withoutLeak(body: () => void | Promise<void>): Promise<void> {
  const before = tf.memory().numTensors;
  await body();
  const left = tf.memory().numTensors - before;
  if (left !== 0) throw new Error(`The test left ${left} tensors behind.`);
}

/** Runs a test's body on a backend and checks that it leaves no tensor behind. */
export async function onBackend(name: BackendName, body: () => void | Promise<void>): Promise<void> {
  await useBackend(name);
  await withoutLeak(body);
}

/**
 * The numbers of tensors that `make` gives, which runs in a tidy.
 *
 * @returns one array a tensor; tensors from outside, such as variables, stay
 */
export async function valuesOf(make: () => readonly tf.Tensor[]): Promise<Float32Array[]> {
  const tensors = tf.tidy(() => make().map((tensor) => tf.clone(tensor)));
  const values = await Promise.all(tensors.map((tensor) => tensor.data<"float32">()));
  tf.dispose(tensors);
  return values;
}

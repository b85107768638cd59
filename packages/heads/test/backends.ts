// The backends that the tests run on: those that work here, with the gradients and kernels that TensorFlow.js lacks.
import { type BackendName, prepareBackend } from "@caddet/runtime/node";
import { inject } from "vitest";

export const BACKENDS = inject("backends");

/** Makes a backend the current one. */
export async function useBackend(name: BackendName): Promise<void> {
  await prepareBackend({ backend: name });
}

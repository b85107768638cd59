// Runs once before all tests: finds out which TensorFlow.js backends are installed and work here, so that a specification runs on each of
// them. cpu and wasm are wherever npm is; native and WebGPU ones where someone has installed them.
import { type BackendName, inspectBackends } from "@caddet/runtime/node";
import type { TestProject } from "vitest/node";

declare module "vitest" {
  interface ProvidedContext {
    /** Backends that work here, cpu and wasm first. */
    backends: readonly BackendName[];
  }
}

export default async function setup({ provide }: TestProject): Promise<void> {
  const { backends } = await inspectBackends();
  const present = backends.filter(({ available }) => available).map(({ name }) => name);
  const absent = backends.filter(({ available }) => !available).map(({ name }) => name);
  provide("backends", present.reverse());
  process.stdout.write(`backends: ${present.join(", ")}; not here, not tested: ${absent.join(", ") || "none"}\n`);
}

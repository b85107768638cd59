// Runs once before all tests: finds out which TensorFlow.js backends are installed and work here, so that a specification runs on each of
// them. cpu and wasm are wherever npm is; native and WebGPU ones where someone has installed them.
import { type BackendName, type BackendReport, inspectBackends } from "@caddet/runtime/node";
import type { TestProject } from "vitest/node";

declare module "vitest" {
  interface ProvidedContext {
    /** Backends that work here, cpu and wasm first. */
    backends: readonly BackendName[];
  }
}

export default async function setup({ provide }: TestProject): Promise<void> {
  const { backends } = await inspectBackends();
  // One process holds one libtensorflow; where there are two, that of tfjs-node-gpu is asked for by taking the other away.
  const hasBoth = backends.filter(({ name, available }) => available && name.startsWith("tfjs-node")).length > 1;
  const isUsed = ({ name, available }: BackendReport) => available && !(hasBoth && name === "tfjs-node-gpu");
  const present = backends.filter(isUsed).map(({ name }) => name);
  const absent = backends.filter((report) => !isUsed(report)).map(({ name }) => name);
  provide("backends", present.reverse());
  process.stdout.write(`backends: ${present.join(", ")}; not here, not tested: ${absent.join(", ") || "none"}\n`);
}

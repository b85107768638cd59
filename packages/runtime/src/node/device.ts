// What the hardware is called. Only names: whether a backend can use it, the probes find out.
import { execFile } from "node:child_process";
import { cpus } from "node:os";

/** The processor's model with the number of its hardware threads. */
export function cpuName(): string {
  const processors = cpus();
  const model = processors[0]?.model.trim() || "unknown CPU";
  return `${model}, ${processors.length} threads`;
}

/** The names of NVIDIA's GPUs, or `undefined` where its driver is not installed. */
export function nvidiaName(): Promise<string | undefined> {
  return new Promise((resolve) => {
    execFile("nvidia-smi", ["--query-gpu=name", "--format=csv,noheader"], { timeout: 10_000 }, (error, stdout) => {
      const names = stdout.split("\n").filter((line) => line.trim() !== "");
      resolve(error || names.length === 0 ? undefined : names.join(", "));
    });
  });
}

/** What WebGPU tells of an adapter. */
export interface AdapterDescription {
  vendor?: string;
  architecture?: string;
  device?: string;
  description?: string;
  isFallbackAdapter?: boolean;
}

// SwiftShader (Google), llvmpipe and lavapipe (Mesa), WARP alias Basic Render Driver (Microsoft).
const SOFTWARE = /swiftshader|llvmpipe|lavapipe|\bwarp\b|basic render/i;

/** An adapter's name, and whether it computes on the CPU. */
export function describeAdapter(adapter: AdapterDescription): { device: string; software: boolean } {
  const { vendor, architecture, device, description } = adapter;
  const name = device || [vendor, architecture].filter(Boolean).join(" ") || "unnamed adapter";
  return {
    // The description is the driver's.
    device: description ? `${name} (${description})` : name,
    software: adapter.isFallbackAdapter === true || SOFTWARE.test(`${name} ${architecture} ${description}`),
  };
}

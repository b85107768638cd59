// Which backends are here, which one `auto` takes, and why not the others: the report behind `caddet doctor`.
import { kernelBuild } from "../kernels/module";
import { BACKENDS, type BackendName, CUDA_HINT, HINTS, PACKAGES } from "./backend-name";
import { cpuName, describeAdapter, nvidiaName } from "./device";
import { type ProbeResult, probeBackend } from "./probe";

/** One backend, as found on this machine. */
export interface BackendReport {
  readonly name: BackendName;
  /** Whether it loads here and computes what it should. */
  readonly available: boolean;
  /** Why it is usable or not and, if not, what to install; sentences. */
  readonly reason: string;
  /** Whether it computes the gradients of convolutions, with the kernels of this package. */
  readonly trainable: boolean;
  /** What it computes on: a CPU's model or a GPU's name; undefined where it is not available. */
  readonly device: string | undefined;
  /** Whether it is made for a GPU, but computes on the CPU here; `auto` leaves it out then. */
  readonly software: boolean;
}

/** All backends, as found on this machine. */
export interface BackendReports {
  /** What `prepareBackend` takes on its own. */
  readonly chosen: BackendName;
  /** In the order of preference. */
  readonly backends: BackendReport[];
}

function unavailable(name: BackendName, why: string): BackendReport {
  const reason = `${PACKAGES[name]} ${why}. ${HINTS[name]}`;
  return { name, available: false, reason, trainable: false, device: undefined, software: false };
}

// What keeps libtensorflow from a GPU: its driver, or with a driver the libraries, which are opened only then.
function lackOf(card: string | undefined): string {
  return card ? `does not use ${card}, as CUDA or cuDNN is not found or not of its version` : "finds no NVIDIA GPU";
}

function wasmKernels(): string | undefined {
  try {
    return kernelBuild();
  } catch {
    return undefined;
  }
}

async function describe(name: BackendName, probe: ProbeResult): Promise<BackendReport> {
  if (probe.status === "missing") return unavailable(name, "is not installed");
  if (probe.status === "broken") return unavailable(name, `is installed, but does not work: ${probe.detail}`);
  const report = { name, available: true, trainable: probe.backward, software: false };
  switch (name) {
    case "tfjs-node-gpu":
    case "tfjs-node": {
      const gpu = probe.usesGpu ? ((await nvidiaName()) ?? "a GPU") : undefined;
      if (name === "tfjs-node-gpu" && !gpu) {
        const lacks = `libtensorflow ${lackOf(await nvidiaName())}, so it computes on the CPU, and only when asked for.`;
        return { ...report, device: cpuName(), software: true, reason: `${lacks} ${CUDA_HINT}` };
      }
      return { ...report, device: gpu ?? cpuName(), reason: `libtensorflow runs on ${gpu ?? "the CPU"}.` };
    }
    case "webgpu": {
      const { device, software } = describeAdapter(probe.adapter ?? {});
      const reason = software
        ? `Its adapter, ${device}, is software on the CPU, so it is used only when asked for. Install the driver of a GPU.`
        : `Dawn runs on ${device}.`;
      return { ...report, device, software, reason };
    }
    case "wasm": {
      const kernels = wasmKernels();
      if (!kernels) return unavailable(name, "runs, but Node has no WebAssembly SIMD, which our kernels need");
      const reason = `It runs on one thread, with the kernels of this package (${kernels}).`;
      return { ...report, device: cpuName(), trainable: true, reason };
    }
    case "cpu":
      return { ...report, device: cpuName(), reason: "Plain JavaScript always runs, but is the slowest." };
  }
}

/** Tries one backend out, in a child process. */
export async function inspectBackend(name: BackendName): Promise<BackendReport> {
  return describe(name, await probeBackend(name));
}

/** Whether `auto` may take a backend. */
export function isEligible({ available, software }: BackendReport): boolean {
  return available && !software;
}

/**
 * Tries every backend out, each in its own child process, so that this process stays as it is.
 *
 * @returns the reports in the order of preference, and the name of the first that is available and not software
 * @example
 * ```ts
 * const { chosen, backends } = await inspectBackends();
 * for (const { name, reason } of backends) process.stdout.write(`${name === chosen ? "*" : " "} ${name}: ${reason}\n`);
 * ```
 */
export async function inspectBackends(): Promise<BackendReports> {
  const backends = await Promise.all(BACKENDS.map(inspectBackend));
  return { chosen: backends.find(isEligible)?.name ?? "cpu", backends };
}

// Makes a backend ready to train and to infer in Node: chosen or asked for, loaded, with the gradients and kernels that
// TensorFlow.js leaves out.
import { RuntimeError } from "../errors";
import { registerFallbackKernels } from "../fallback-kernels";
import { registerGradients } from "../gradients";
import { activateBackend } from "./activate";
import { BACKENDS, type BackendName, HINTS, PACKAGES, TF_BACKENDS } from "./backend-name";
import { cpuName } from "./device";
import { inspectBackend, isEligible } from "./inspect";

/** Options of {@link prepareBackend}. */
export interface PrepareOptions {
  /** A backend by name, or `auto` for the first of {@link BACKENDS} that works here. Default `auto`. */
  backend?: BackendName | "auto";
}

/** The backend that is current now. */
export interface PreparedBackend {
  readonly name: BackendName;
  /** What it computes on: a CPU's model or a GPU's name. */
  readonly device: string;
  /** What `tf.getBackend()` calls it. */
  readonly tfBackend: string;
  /** Whether it is made for a GPU, but computes on the CPU here. */
  readonly software: boolean;
}

/** wasm and cpu are JavaScript: they fail without a trace, so that trying them here costs no child process. */
function needsProbe(name: BackendName): boolean {
  return name !== "wasm" && name !== "cpu";
}

async function prepare(name: BackendName, acceptSoftware: boolean): Promise<PreparedBackend> {
  const fail = (message: string, options?: ErrorOptions) =>
    new RuntimeError("backend-unavailable", `The backend ${name} cannot be used: ${message}`, {
      backend: name,
      hint: HINTS[name],
      ...options,
    });
  const report = needsProbe(name) ? await inspectBackend(name) : undefined;
  if (report && !(acceptSoftware ? report.available : isEligible(report))) throw fail(report.reason);
  try {
    await activateBackend(name);
  } catch (cause) {
    if (cause instanceof RuntimeError) throw cause;
    const detail = cause instanceof Error ? cause.message : String(cause);
    throw fail(`${PACKAGES[name]} failed with "${detail}". ${HINTS[name]}`, { cause });
  }
  registerGradients();
  registerFallbackKernels(TF_BACKENDS[name]);
  return {
    name,
    device: report?.device ?? cpuName(),
    tfBackend: TF_BACKENDS[name],
    software: report?.software ?? false,
  };
}

async function prepareFirst(): Promise<PreparedBackend> {
  const failures: string[] = [];
  for (const name of BACKENDS) {
    try {
      return await prepare(name, false);
    } catch (error) {
      if (!(error instanceof RuntimeError)) throw error;
      failures.push(error.message);
    }
  }
  throw new RuntimeError("backend-unavailable", `No backend can be used. ${failures.join(" ")}`, { hint: HINTS.cpu });
}

/**
 * Makes a backend TensorFlow.js' current one and adds what it lacks: the gradients, our kernels, fallbacks. Native
 * and WebGPU backends are tried out in a child process first, which takes up to two seconds where one is installed.
 *
 * @param options which backend
 * @returns what is current now
 * @throws RuntimeError `backend-unavailable` where the backend that was asked for is missing or broken (the message says
 * what to install), `backend-unknown` where there is none of that name, `simd-missing` for wasm in an engine
 * without SIMD
 * @example
 * ```ts
 * const { name, device } = await prepareBackend();
 * const forced = await prepareBackend({ backend: "wasm" });
 * ```
 */
export async function prepareBackend({ backend = "auto" }: PrepareOptions = {}): Promise<PreparedBackend> {
  if (backend === "auto") return prepareFirst();
  if (BACKENDS.includes(backend)) return prepare(backend, true);
  throw new RuntimeError(
    "backend-unknown",
    `Got the backend ${JSON.stringify(backend)}, expected one of auto, ${BACKENDS.join(", ")}. Use one of these names.`,
    { backend, hint: `Use auto, ${BACKENDS.join(", ")}.` },
  );
}

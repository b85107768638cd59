// Whether onnxruntime-node is installed, and what it can compute on. It is optional: nothing of it is loaded before it is asked for.
import { createRequire } from "node:module";
import { CaddetError } from "@caddet/core/base";

/** The module, as far as the command line uses it. */
export type OnnxRuntime = typeof import("onnxruntime-node");

/** What was found. */
export interface OnnxRuntimeReport {
  readonly available: boolean;
  /** Null where it is not available. */
  readonly version: string | null;
  /** Execution providers that are inside the package, such as "cpu" and "webgpu". */
  readonly providers: readonly string[];
  /** A sentence; what to do where it is not available. */
  readonly reason: string;
}

const HINT = "Run `npm install onnxruntime-node`.";

/**
 * Loads onnxruntime-node.
 *
 * @param load what loads it; default Node's own way, `NODE_PATH` included
 * @throws CaddetError with code `onnxruntime-missing` when it is not installed or does not start
 */
export function loadOnnxRuntime(load: (name: string) => unknown = createRequire(import.meta.url)): OnnxRuntime {
  try {
    return load("onnxruntime-node") as OnnxRuntime;
  } catch (cause) {
    const isMissing = (cause as { code?: unknown }).code === "MODULE_NOT_FOUND";
    const [reason] = (cause instanceof Error ? cause.message : String(cause)).trim().split("\n");
    const why = isMissing ? "onnxruntime-node is not installed." : `onnxruntime-node does not start: ${reason}.`;
    throw new CaddetError("onnxruntime-missing", `${why} ${HINT}`, {}, { cause });
  }
}

/**
 * Looks onnxruntime-node up; never throws.
 *
 * @param load as for {@link loadOnnxRuntime}
 */
export function inspectOnnxRuntime(load?: (name: string) => unknown): OnnxRuntimeReport {
  try {
    const { env, listSupportedBackends } = loadOnnxRuntime(load);
    const providers = listSupportedBackends().flatMap(({ name, bundled }) => (bundled ? [name] : []));
    return {
      available: true,
      version: env.versions.node ?? env.versions.common,
      providers,
      reason: `It runs exported models on ${providers.join(", ")}.`,
    };
  } catch (error) {
    const reason = error instanceof Error ? error.message : String(error);
    return { available: false, version: null, providers: [], reason };
  }
}

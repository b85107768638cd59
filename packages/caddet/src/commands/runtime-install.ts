// `caddet runtime install native`: tfjs-node or tfjs-node-gpu built here, for machines where its own download fails.
import { installNative } from "@caddet/runtime/node";
import type { Output } from "../output";

/** Options of the command. */
export interface RuntimeInstallOptions {
  /** tfjs-node-gpu in place of tfjs-node. */
  readonly gpu: boolean;
  /** Where it goes, default the user's own folder. */
  readonly folder?: string;
  /** A wheel of libtensorflow that is here already. */
  readonly wheel?: string;
  readonly json: boolean;
}

/** Installs it, tells the steps on stderr and the result on stdout. SIGINT stops it and leaves nothing behind. */
export async function runtimeInstall({ json, ...options }: RuntimeInstallOptions, output: Output): Promise<void> {
  const stop = new AbortController();
  const interrupted = Object.assign(new Error("Interrupted; nothing was installed."), { code: "interrupted" });
  const interrupt = () => stop.abort(interrupted);
  process.once("SIGINT", interrupt);
  try {
    const onProgress = (step: string) => output.note(`${step}\n`);
    const made = await installNative({ ...options, onProgress, signal: stop.signal });
    if (json) {
      output.json(made);
      return;
    }
    const { version, libtensorflow, folder, present } = made;
    const name = options.gpu ? "tfjs-node-gpu" : "tfjs-node";
    output.text(`${name} ${version} with libtensorflow ${libtensorflow} ${present ? "was" : "is"} in ${folder}\n`);
  } finally {
    process.removeListener("SIGINT", interrupt);
  }
}

// Installs the native backend where CADDET_NATIVE_FOLDER says, and fails unless it is the one that is found. Exits with 75 (try again
// later, as sysexits.h has it) where there is nothing to install from: a tool is missing, or a registry cannot be reached.
import { RuntimeError } from "@caddet/runtime";
import { inspectBackends, installNative } from "@caddet/runtime/node";

const say = (line: string) => process.stdout.write(`${line}\n`);

async function main(): Promise<void> {
  const { folder, libtensorflow, present } = await installNative({ onProgress: say });
  say(`tfjs-node with libtensorflow ${libtensorflow} ${present ? "was" : "is"} in ${folder}`);
  const { backends } = await inspectBackends();
  const found = backends.find(({ name }) => name === "tfjs-node");
  if (!found?.available) throw new Error(found?.reason);
}

// The hints of an install tell what a machine lacks from what is wrong: bytes that differ, a full disk, a build that fails.
const isLacking = (error: unknown): error is RuntimeError =>
  error instanceof RuntimeError &&
  error.code === "install-failed" &&
  /^(Install |Check the network)/.test(error.hint ?? "");

await main().catch((error: unknown) => {
  if (!isLacking(error)) throw error;
  say(`skipped: ${error.message}`);
  process.exitCode = 75;
});

// What is here: the GPU and its driver as nvidia-smi names them, and the backends with the reasons why they work or not. Fails where the
// tested one does not.
import { execFile } from "node:child_process";
import { availableParallelism, cpus, totalmem } from "node:os";
import { promisify } from "node:util";
import { inspectBackends } from "@caddet/runtime/node";
import { BACKEND, say } from "./setting";

const query = ["--query-gpu=name,driver_version,memory.total", "--format=csv,noheader"];
const nvidia = await promisify(execFile)("nvidia-smi", query).then(
  ({ stdout }) => stdout.trim(),
  () => null,
);
say({
  nvidia,
  cpu: cpus()[0]?.model ?? "unknown",
  threads: availableParallelism(),
  memory_gib: Math.round(totalmem() / 2 ** 30),
  node: process.version,
});
const { backends } = await inspectBackends();
for (const { name, available, device, software, reason } of backends) {
  say({ backend: name, available, device: device ?? null, software, reason });
}
const tested = backends.find(({ name }) => name === BACKEND);
if (!tested?.available) throw new Error(tested?.reason ?? `There is no backend ${BACKEND}.`);

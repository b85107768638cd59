// Installs the native backend where CADDET_NATIVE_FOLDER says, and fails unless it is the one that is found.
import { inspectBackends, installNative } from "@caddet/runtime/node";

const { folder, libtensorflow, present } = await installNative({
  onProgress: (step) => process.stdout.write(`${step}\n`),
});
process.stdout.write(`tfjs-node with libtensorflow ${libtensorflow} ${present ? "was" : "is"} in ${folder}\n`);
const { backends } = await inspectBackends();
const found = backends.find(({ name }) => name === "tfjs-node");
if (!found?.available) {
  process.stderr.write(`${found?.reason}\n`);
  process.exitCode = 1;
}

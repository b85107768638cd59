// `caddet doctor`: which backends are here, which one is chosen, why the others are not, and whether onnxruntime is.
import { inspectBackends } from "@caddet/runtime/node";
import { inspectOnnxRuntime } from "../onnxruntime";
import type { Output } from "../output";

/** Prints what was found. */
export async function doctor({ json }: { readonly json: boolean }, output: Output): Promise<void> {
  const found = await inspectBackends();
  const onnxruntime = inspectOnnxRuntime();
  if (json) {
    output.json({ ...found, onnxruntime });
    return;
  }
  for (const { name, available, reason, trainable, device } of found.backends) {
    const mark = name === found.chosen ? "→" : available ? "✓" : "✗";
    const uses = available ? (trainable ? " (trains and infers)" : " (infers)") : "";
    output.text(`${mark} ${name.padEnd(14)}${device ?? ""}${uses}\n  ${"".padEnd(14)}${reason}\n`);
  }
  const { available, version, reason } = onnxruntime;
  const uses = available ? `onnxruntime-node ${version} (infers)` : "";
  output.text(`${available ? "✓" : "✗"} ${"onnxruntime".padEnd(14)}${uses}\n  ${"".padEnd(14)}${reason}\n`);
}

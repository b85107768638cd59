// `caddet doctor`: which backends are here, which one is chosen, and why the others are not.
import { inspectBackends } from "@caddet/runtime/node";
import type { Output } from "../output";

/** Prints what was found. */
export async function doctor({ json }: { readonly json: boolean }, output: Output): Promise<void> {
  const found = await inspectBackends();
  if (json) {
    output.json(found);
    return;
  }
  for (const { name, available, reason, trainable, device } of found.backends) {
    const mark = name === found.chosen ? "→" : available ? "✓" : "✗";
    const uses = available ? (trainable ? " (trains and infers)" : " (infers)") : "";
    output.text(`${mark} ${name.padEnd(14)}${device ?? ""}${uses}\n  ${"".padEnd(14)}${reason}\n`);
  }
}

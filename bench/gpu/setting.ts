// What the parts have in common: their arguments, the backend they were told to take, and how times and memory are told.
import { type BackendName, type PreparedBackend, prepareBackend } from "@caddet/runtime/node";
import * as tf from "@tensorflow/tfjs-core";
import { peakRssMib } from "../peers/peak-rss";

const [backend = "webgpu", mode = "full"] = process.argv.slice(2);

/** The backend that is tested. */
export const BACKEND = backend as BackendName;

/** Whether it is only tried out: small inputs, few runs; its numbers mean nothing. */
export const QUICK = mode === "quick";

/** Makes the tested backend the current one. */
export const prepare = (): Promise<PreparedBackend> => prepareBackend({ backend: BACKEND });

/** Prints a row. */
export function say(row: object): void {
  process.stdout.write(`${JSON.stringify(QUICK ? { quick: true, ...row } : row)}\n`);
}

/** To three digits. */
export const rounded = (value: number): number => Number(value.toPrecision(3));

/** The middle and the least of some times, ms. */
export function summary(times: readonly number[]): { readonly median_ms: number; readonly best_ms: number } {
  const sorted = [...times].sort((a, b) => a - b);
  return { median_ms: rounded(sorted[sorted.length >> 1]!), best_ms: rounded(sorted[0]!) };
}

/** Of the device, where the backend tells it (webgpu does), and of this process. */
export function memory(): { readonly device_mib: number | null; readonly peak_rss_mib: number } {
  const { numBytesAllocatedInGPU: bytes } = tf.memory() as { numBytesAllocatedInGPU?: number };
  return {
    device_mib: bytes === undefined ? null : Math.round(bytes / 2 ** 20),
    peak_rss_mib: Math.round(peakRssMib()),
  };
}

// Peak memory of this process, all its threads included.
import { readFileSync } from "node:fs";

/** In MiB. This program's own: what getrusage tells begins with the peak of whoever started it. */
export function peakRssMib(): number {
  try {
    const [, kib] = /^VmHWM:\s*(\d+)/m.exec(readFileSync("/proc/self/status", "utf8"))!;
    return Number(kib) / 1024;
  } catch {
    return process.resourceUsage().maxRSS / 1024;
  }
}

// The specifications on the tested backend: all that they say "on" it, as scripts/native/specs.sh chooses. One row with the counts and
// one for each that failed.
import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtemp, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { BACKEND, QUICK, say } from "./setting";

interface Report {
  readonly numPassedTests: number;
  readonly numFailedTests: number;
  readonly testResults: readonly {
    readonly name: string;
    readonly status: string;
    readonly message: string;
    readonly assertionResults: readonly {
      readonly status: string;
      readonly fullName: string;
      readonly failureMessages: readonly string[];
    }[];
  }[];
}

const SHOWN = 30;

const folder = await mkdtemp(join(tmpdir(), "caddet-specs-"));
try {
  const file = join(folder, "report.json");
  // One package is enough to try it out.
  const packages = QUICK ? ["packages/router"] : [];
  const child = spawn("bash", ["scripts/native/specs.sh", BACKEND, file, ...packages], {
    stdio: ["ignore", process.stderr.fd, "inherit"],
  });
  const [code] = await once(child, "close");
  const report = JSON.parse(await readFile(file, "utf8")) as Report;
  const failures = report.testResults.flatMap(({ name, status, message, assertionResults }) => {
    const failed = assertionResults.filter((test) => test.status === "failed");
    if (status === "failed" && failed.length === 0) return [{ test: name, error: message }];
    return failed.map(({ fullName, failureMessages: [first = ""] }) => ({ test: fullName, error: first }));
  });
  say({ passed: report.numPassedTests, failed: failures.length });
  for (const { test, error } of failures.slice(0, SHOWN)) say({ test, error: error.split("\n")[0] });
  if (failures.length > 0) throw new Error(`${failures.length} specifications fail on ${BACKEND}`);
  if (code !== 0) throw new Error(`no specification ran on ${BACKEND}`);
} finally {
  await rm(folder, { recursive: true, force: true });
}

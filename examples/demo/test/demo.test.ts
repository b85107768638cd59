// The demo from drawing to report, on a few scenes and steps: that it runs, and what its last line and its report hold.
import { execFile } from "node:child_process";
import { mkdtemp, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { expect, it } from "vitest";

const root = fileURLToPath(new URL("../../..", import.meta.url));

it("ends with one line of JSON and a self-contained report", async () => {
  const out = await mkdtemp(join(tmpdir(), "caddet-demo-"));
  try {
    const program = join(root, "examples/demo/src/main.ts");
    const small = ["--steps", "2", "--train", "16", "--val", "4", "--seed", "3", "--out", join(out, "run")];
    const { stdout } = await promisify(execFile)(
      process.execPath,
      ["--conditions=@caddet/source", "--import", "tsx", program, ...small],
      { cwd: root },
    );
    const result = JSON.parse(stdout.trim().split("\n").at(-1)!);
    expect(Object.keys(result)).toEqual(["ap", "ap50", "seconds", "backend", "madds", "report"]);
    expect(Object.keys(result.madds)).toEqual(["mean", "min", "max", "std", "easy", "busy"]);
    for (const value of Object.values(result.madds)) expect(value).toBeGreaterThanOrEqual(0);
    expect(result.madds.easy).toBeGreaterThan(0);
    const html = await readFile(result.report, "utf8");
    expect(html).not.toContain("undefined");
    expect(html.match(/<svg/g)?.length).toBeGreaterThanOrEqual(8); // histogram, 2 routes, 4 images, 2 curves
    expect(html).not.toMatch(/(?:src|href)="https?:/);
  } finally {
    await rm(out, { recursive: true, force: true });
  }
});

// What is not there is none; what cannot be read is an error, not none.
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { CheckpointError } from "@caddet/core";
import { expect, it } from "vitest";
import { listCheckpoints, readMetrics, runFolder } from "../src/node";

it("tells a run that is absent from one that cannot be read", async () => {
  const root = await mkdtemp(join(tmpdir(), "caddet-run-"));
  try {
    const folder = runFolder(root);
    expect(await listCheckpoints(folder)).toEqual([]);
    expect(await readMetrics(folder)).toEqual([]);
    await writeFile(folder.checkpointFolder, "a file where a folder should be");
    await expect(listCheckpoints(folder)).rejects.toThrow(CheckpointError);
  } finally {
    await rm(root, { recursive: true, force: true });
  }
});

import { mkdir, mkdtemp, readdir, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { CheckpointError, ConfigError } from "@caddet/core";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { parseTrainConfig } from "../src";
import {
  latestCheckpoint,
  listCheckpoints,
  type RunFolder,
  readRunConfig,
  runFolder,
  writeFileAtomic,
} from "../src/node";

let folder: RunFolder;
beforeEach(async () => {
  folder = runFolder(await mkdtemp(join(tmpdir(), "caddet-folder-")));
});
afterEach(async () => {
  await rm(folder.path, { recursive: true });
});

describe("writeFileAtomic", () => {
  it("makes the folder, replaces the file and leaves nothing else", async () => {
    const file = join(folder.path, "deep", "er", "file.txt");
    await writeFileAtomic(file, "old");
    await writeFileAtomic(file, Uint8Array.from([110, 101, 119]));
    expect(await readFile(file, "utf8")).toBe("new");
    expect(await readdir(join(folder.path, "deep", "er"))).toEqual(["file.txt"]);
  });

  it("fails where the folder is a file, which stays", async () => {
    const inTheWay = join(folder.path, "checkpoints");
    await writeFile(inTheWay, "a file");
    const error = await writeFileAtomic(join(inTheWay, "step-1"), "new").catch((e: unknown) => e);
    expect(error).toBeInstanceOf(CheckpointError);
    expect((error as Error).message).toMatch(/step-1 could not be written: /);
    expect(await readFile(inTheWay, "utf8")).toBe("a file");
  });

  it("leaves the old file and no part of the new one when writing or renaming fails", async () => {
    const file = join(folder.path, "file.txt");
    await writeFile(file, "old");
    const temporary = `${file}.${process.pid}.tmp`;
    await mkdir(temporary); // the temporary file cannot be opened
    await expect(writeFileAtomic(file, "new")).rejects.toThrow(CheckpointError);
    expect(await readFile(file, "utf8")).toBe("old");
    await rm(temporary, { recursive: true });

    const full = join(folder.path, "full");
    await mkdir(join(full, "inside"), { recursive: true }); // the name is a folder's
    await expect(writeFileAtomic(full, "new")).rejects.toThrow(CheckpointError);
    expect(await readdir(folder.path)).toEqual(["file.txt", "full"]);
    expect(await readdir(full)).toEqual(["inside"]);
  });
});

describe("listCheckpoints", () => {
  it("sorts by step, newest first, and passes over other files", async () => {
    await mkdir(folder.checkpointFolder);
    const names = ["step-00000009", "step-00000100", "step-123456789"].map((n) => `${n}.safetensors`);
    for (const name of [...names, "step-00000007.safetensors.42.tmp", "notes.txt", "step-x.safetensors"]) {
      await writeFile(join(folder.checkpointFolder, name), "");
    }
    expect((await listCheckpoints(folder)).map(({ step }) => step)).toEqual([123456789, 100, 9]);
    expect(await latestCheckpoint(folder)).toBe(join(folder.checkpointFolder, names[2]!));
  });

  it("is empty where there is no folder; latestCheckpoint then says where it looked", async () => {
    expect(await listCheckpoints(folder)).toEqual([]);
    await expect(latestCheckpoint(folder)).rejects.toThrow(/has no checkpoint \(looked for .*step-\*\.safetensors\)/);
  });
});

describe("readRunConfig", () => {
  it("reads what was written, and says what is wrong otherwise", async () => {
    await expect(readRunConfig(folder)).rejects.toThrow(/is no run: .*config\.json is not there/);
    const config = parseTrainConfig({ seed: 4, optimizer: { lr: 0.5 } });
    await writeFileAtomic(folder.configFile, JSON.stringify(config));
    expect(await readRunConfig(folder)).toEqual(config);
    await writeFile(folder.configFile, "{");
    await expect(readRunConfig(folder)).rejects.toThrow(/config\.json is not JSON/);
    await writeFile(folder.configFile, '{"optimiser":{}}');
    await expect(readRunConfig(folder)).rejects.toThrow(/Did you mean "optimizer"/);
    await expect(readRunConfig(folder)).rejects.toThrow(ConfigError);
  });
});

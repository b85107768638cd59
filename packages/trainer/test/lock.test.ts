import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdir, mkdtemp, readdir, readFile, rm, utimes, writeFile } from "node:fs/promises";
import { hostname, tmpdir } from "node:os";
import { join } from "node:path";
import { prepareBackend } from "@caddet/runtime/node";
import { afterEach, beforeAll, beforeEach, describe, expect, it } from "vitest";
import { createTrainer } from "../src";
import { lockHook, lockRunFolder, type RunFolder, RunLockedError, RunWriteError, runFolder } from "../src/node";
import { squares, tinyConfig, tinyDetector } from "./tiny-run";

let folder: RunFolder;
beforeEach(async () => {
  folder = runFolder(join(await mkdtemp(join(tmpdir(), "caddet-lock-")), "run"));
});
afterEach(async () => {
  await rm(join(folder.path, ".."), { recursive: true });
});

/** A process that has ended, and been waited for. */
async function deadPid(): Promise<number> {
  const child = spawn(process.execPath, ["-e", ""]);
  await once(child, "close");
  return child.pid!;
}

const write = async (owner: Record<string, unknown>) => {
  await mkdir(folder.path, { recursive: true });
  await writeFile(folder.lockFile, JSON.stringify({ host: hostname(), started: null, since: "then", ...owner }));
};

describe("lockRunFolder", () => {
  it("gives a folder to one at a time, and leaves nothing behind", async () => {
    const lock = await lockRunFolder(folder);
    const error: unknown = await lockRunFolder(folder).catch((e: unknown) => e);
    expect(error).toBeInstanceOf(RunLockedError);
    expect((error as Error).message).toMatch(
      `${folder.path} is in use: process ${process.pid} has been training there since 2`,
    );
    expect((error as Error).message).toMatch(/Choose another folder or end that training\.$/);
    await lock.release();
    await lock.release();
    const next = await lockRunFolder(folder);
    await lock.release(); // no longer its own
    await expect(lockRunFolder(folder)).rejects.toThrow(RunLockedError);
    await next.release();
    expect(await readdir(folder.path)).toEqual([]);
  });

  it("lets one of many in that come at once", async () => {
    const claims = await Promise.allSettled(Array.from({ length: 8 }, () => lockRunFolder(folder)));
    const won = claims.flatMap((claim) => (claim.status === "fulfilled" ? [claim.value] : []));
    expect(won).toHaveLength(1);
    await won[0]!.release();
  });

  it("takes over what a dead process left, and lets one of many do it", async () => {
    const dead = await deadPid();
    await write({ pid: dead });
    for (let round = 0; round < 20; round++) {
      const rivals = await Promise.allSettled(Array.from({ length: 8 }, () => lockRunFolder(folder)));
      const first = rivals.flatMap((claim) => (claim.status === "fulfilled" ? [claim.value] : []));
      expect(first).toHaveLength(1);
      await first[0]!.release();
      await write({ pid: dead });
    }
    const claims = await Promise.allSettled(Array.from({ length: 8 }, () => lockRunFolder(folder)));
    const won = claims.flatMap((claim) => (claim.status === "fulfilled" ? [claim.value] : []));
    expect(won).toHaveLength(1);
    expect(JSON.parse(await readFile(folder.lockFile, "utf8"))).toMatchObject({ pid: process.pid });
    await won[0]!.release();
    expect(await readdir(folder.path)).toEqual([]);
  });

  it("takes over, too, where a process was killed while it did so", async () => {
    await write({ pid: await deadPid() });
    const claim = `${folder.lockFile}.removal`;
    await mkdir(claim);
    await expect(lockRunFolder(folder)).rejects.toThrow(/others claim the folder at the same time/);
    const old = new Date(Date.now() - 20_000);
    await utimes(claim, old, old);
    await (await lockRunFolder(folder)).release();
    expect(await readdir(folder.path)).toEqual([]);
  });

  it.skipIf(process.platform !== "linux")("takes over where the number is another process' by now", async () => {
    await write({ pid: process.ppid, started: "1" });
    await (await lockRunFolder(folder)).release();
    await write({ pid: process.ppid }); // whose start is not known
    await expect(lockRunFolder(folder)).rejects.toThrow(`process ${process.ppid} has been training`);
  });

  it("takes over a file that a kill cut", async () => {
    await write({});
    for (const text of ["", '{"pid":', "null", '{"pid":-1}']) {
      await writeFile(folder.lockFile, text);
      await (await lockRunFolder(folder)).release();
    }
  });

  it("leaves another machine's alone, and says what to do", async () => {
    await write({ pid: await deadPid(), host: "elsewhere" });
    await expect(lockRunFolder(folder)).rejects.toThrow(
      new RegExp(` on elsewhere has been training .*; if it is over, remove ${folder.lockFile}\\.$`),
    );
  });

  it("says what is wrong where it cannot write", async () => {
    await writeFile(folder.path, "a file where the folder should be");
    await expect(lockRunFolder(folder)).rejects.toThrow(RunWriteError);
  });
});

describe("lockHook", () => {
  beforeAll(async () => {
    await prepareBackend({ backend: "wasm" });
  });

  const run = async (during?: () => Promise<void>) => {
    const config = tinyConfig({ schedule: { maxSteps: 1 } });
    const detector = tinyDetector(config, 1);
    const hooks = [lockHook(folder), { name: "during", onEnd: async () => during?.() }];
    const trainer = createTrainer({ detector, batches: squares(1), config, hooks });
    const error = await trainer.run().catch((e: unknown) => e);
    trainer.dispose();
    detector.dispose();
    return error;
  };

  it("refuses a second run while one goes on, which keeps its folder, and gives it back at its end", async () => {
    let second: unknown;
    expect(
      await run(async () => {
        second = await run();
        await expect(lockRunFolder(folder)).rejects.toThrow(RunLockedError);
      }),
    ).toBeUndefined();
    expect(second).toBeInstanceOf(RunLockedError);
    expect(await run()).toBeUndefined();
    expect(await readdir(folder.path)).toEqual([]);
  });

  it("gives the folder back when the run fails", async () => {
    expect(await run(() => Promise.reject(new Error("disk")))).toMatchObject({ message: "disk" });
    await (await lockRunFolder(folder)).release();
  });
});

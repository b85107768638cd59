import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { DownloadError, onDisk, systemCode } from "../src/download/download-error";

const failing = (code: string) => () => Promise.reject(Object.assign(new Error("failed"), { code }));

describe("onDisk", () => {
  it("tells a full disk from a closed one, and names the path", async () => {
    await expect(onDisk("a/b", failing("EDQUOT"))).rejects.toMatchObject({ reason: "no-space" });
    await expect(onDisk("a/b", failing("EROFS"))).rejects.toMatchObject({
      reason: "disk",
      code: "dataset",
      message: expect.stringContaining("a/b: cannot be read or written (EROFS)"),
    });
  });

  it.skipIf(process.platform !== "linux")("knows a full disk", async () => {
    const full = join("/dev", "full");
    const written = onDisk(full, () => writeFile(full, "content"));
    await expect(written).rejects.toMatchObject({ reason: "no-space", details: { code: "ENOSPC" } });
  });

  it("leaves results and other errors as they are", async () => {
    expect(await onDisk("a", async () => 1)).toBe(1);
    const error = new DownloadError("network", "message");
    await expect(onDisk("a", () => Promise.reject(error))).rejects.toBe(error);
    await expect(onDisk("a", failing("ERR_INVALID_ARG_TYPE"))).rejects.toMatchObject({
      name: "Error",
      message: "failed",
    });
  });
});

describe("systemCode", () => {
  it("is an operating system's, not a library's", () => {
    expect(systemCode(Object.assign(new Error(), { code: "ENOENT" }))).toBe("ENOENT");
    for (const code of ["UND_ERR_SOCKET", "Z_DATA_ERROR", 20, undefined]) {
      expect(systemCode(Object.assign(new Error(), { code }))).toBeUndefined();
    }
    expect(systemCode("ENOENT")).toBeUndefined();
  });
});

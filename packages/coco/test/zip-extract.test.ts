import { mkdir, mkdtemp, readdir, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import fc from "fast-check";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { DownloadError } from "../src/download/download-error";
import { openZip } from "../src/download/zip-extract";
import { type ZipEntry, zipBytes } from "./zip-bytes";

const limits = { maxEntries: 1000, maxBytes: 50_000_000, maxRatio: 100 };
const signal = new AbortController().signal;

let folder: string;
let target: string;
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), "zip-"));
  target = join(folder, "a", "target");
  await mkdir(target, { recursive: true });
});
afterEach(() => rm(folder, { recursive: true }));

async function extract(bytes: Uint8Array, bounds = limits): Promise<readonly string[]> {
  const file = join(folder, "archive.zip");
  await writeFile(file, bytes);
  const zip = await openZip(file, bounds);
  try {
    await zip.extract(target, { signal, onProgress: () => {} });
  } finally {
    zip.close();
  }
  return zip.members.map(({ path }) => path);
}

async function faultOf(bytes: Uint8Array, bounds = limits): Promise<DownloadError> {
  const error = await extract(bytes, bounds).then(
    () => undefined,
    (error: unknown) => error,
  );
  expect(error).toBeInstanceOf(DownloadError);
  expect((error as DownloadError).message).toContain("archive.zip");
  return error as DownloadError;
}

const reasonOf = async (entries: readonly ZipEntry[]) => (await faultOf(zipBytes(entries))).reason;

// Nothing but the archive and the target may be there, and nothing in the target.
async function expectNothingWritten() {
  expect((await readdir(folder)).sort()).toEqual(["a", "archive.zip"]);
  expect(await readdir(join(folder, "a"))).toEqual(["target"]);
  expect(await readdir(target)).toEqual([]);
}

describe("openZip", () => {
  it("unpacks stored and deflated files, and folders", async () => {
    const text = "a,b\n".repeat(5000);
    const bytes = zipBytes([
      { name: "val/", mode: 0o040755 },
      { name: "val/1.jpg", content: "jpeg", mode: 0o100644 },
      { name: "annotations/boxes.json", content: text, deflate: true },
      { name: "empty/" },
      { name: "val/0.jpg" },
    ]);
    expect(await extract(bytes)).toEqual(["val/1.jpg", "annotations/boxes.json", "val/0.jpg"]);
    expect(await readFile(join(target, "val/1.jpg"), "utf8")).toBe("jpeg");
    expect(await readFile(join(target, "annotations/boxes.json"), "utf8")).toBe(text);
    expect((await readFile(join(target, "val/0.jpg"))).length).toBe(0);
    expect(await readdir(join(target, "empty"))).toEqual([]);
  });

  it.each([
    "../out.txt",
    "a/../../out.txt",
    "/tmp/out.txt",
    "C:/out.txt",
    "C:out.txt",
    "a\\..\\..\\out.txt",
    "\\\\server\\out.txt",
    "a//b",
    "./a",
    "a/.",
    "a/..",
    "..",
    "/",
    "a\0b",
    "a\nb",
    "a:stream",
    "a.",
    "a ",
    "NUL",
    "con.txt",
    "a/aux.jpg",
    ".download/lock",
    ".bashrc",
    "x".repeat(256),
    `${"a/".repeat(600)}b`,
  ])("refuses the name %j", async (name) => {
    expect(await reasonOf([{ name: "good.txt" }, { name, content: "out" }])).toBe("unsafe-archive");
    await expectNothingWritten();
  });

  it.each([
    ["a symbolic link", [{ name: "link", content: "/etc/passwd", mode: 0o120777 }]],
    ["a link, then a file through it", [{ name: "d", content: "..", mode: 0o120777 }, { name: "d/out" }]],
    ["a pipe", [{ name: "pipe", mode: 0o010644 }]],
    ["a file that calls itself a folder", [{ name: "file", mode: 0o040755 }]],
    ["a folder that calls itself a file", [{ name: "folder/", mode: 0o100644 }]],
    ["a folder with content", [{ name: "folder/", content: "content" }]],
    ["a name twice", [{ name: "a" }, { name: "a" }]],
    ["names that differ in case", [{ name: "val/A.jpg" }, { name: "VAL/a.JPG" }]],
    ["names that differ in composition", [{ name: "\u00e9" }, { name: "e\u0301" }]],
    ["a file that is a folder of another", [{ name: "a" }, { name: "a/b" }]],
    ["a folder that is a file as well", [{ name: "a/b" }, { name: "A" }]],
    ["an encrypted file", [{ name: "a", content: "twelve bytes", size: 0, flags: 0x801 }]],
    ["an unknown method", [{ name: "a", method: 14 }]],
  ] as const)("refuses %s", async (_, entries) => {
    expect(await reasonOf(entries)).toBe("unsafe-archive");
    await expectNothingWritten();
  });

  it("refuses bombs: by ratio, by sum, by number, by entries that share bytes", async () => {
    const zeros = new Uint8Array(2_000_000);
    expect(await reasonOf([{ name: "zeros", content: zeros, deflate: true }])).toBe("unsafe-archive");
    const three = ["a", "b", "c"].map((name) => ({ name, content: "0123456789" }));
    expect((await faultOf(zipBytes(three), { ...limits, maxBytes: 29 })).reason).toBe("unsafe-archive");
    expect((await faultOf(zipBytes(three), { ...limits, maxEntries: 2 })).reason).toBe("unsafe-archive");
    const shared = [
      { name: "a", content: "0123456789" },
      { name: "b", content: "0123456789", offset: 0 },
    ];
    expect(await reasonOf(shared)).toBe("unsafe-archive");
    await expectNothingWritten();
    expect(await extract(zipBytes(three), { ...limits, maxBytes: 30, maxEntries: 3 })).toEqual(["a", "b", "c"]);
  });

  it("stops at the size that an entry claims", async () => {
    const content = "0123456789".repeat(1000);
    const short = { name: "a", content, deflate: true, size: 100 };
    const long = { name: "a", content, deflate: true, size: 20_000 };
    expect(await reasonOf([short])).toBe("broken-archive");
    expect((await readFile(join(target, "a"))).length).toBeLessThanOrEqual(100);
    await rm(join(target, "a"));
    expect(await reasonOf([long])).toBe("broken-archive");
  });

  it("refuses a wrong CRC, broken data and what is no zip file", async () => {
    const wrong = await faultOf(zipBytes([{ name: "a", content: "content", crc: 1 }]));
    expect([wrong.reason, wrong.message]).toEqual(["broken-archive", expect.stringContaining("CRC-32")]);
    await rm(join(target, "a"));
    expect(await reasonOf([{ name: "a", content: "no deflated data", method: 8 }])).toBe("broken-archive");
    expect((await faultOf(new Uint8Array(0))).reason).toBe("broken-archive");
    expect((await faultOf(Buffer.from("<html>not found</html>"))).reason).toBe("broken-archive");
    expect((await faultOf(zipBytes([{ name: "a" }], { count: 2 }))).reason).toBe("broken-archive");
  });

  it("never fails but with a named error, and never writes outside, whatever byte is changed or missing", async () => {
    const good = zipBytes([
      { name: "val/", mode: 0o040755 },
      { name: "val/1.jpg", content: "jpeg".repeat(20), mode: 0o100644 },
      { name: "boxes.json", content: "[1, 2, 3]".repeat(50), deflate: true },
    ]);
    const position = fc.nat(good.length - 1);
    await fc.assert(
      fc.asyncProperty(
        fc.array(fc.tuple(position, fc.nat(255)), { maxLength: 4 }),
        position,
        fc.boolean(),
        async (changes, length, cut) => {
          const bytes = Buffer.from(cut ? good.subarray(0, length) : good);
          for (const [at, value] of changes) if (at < bytes.length) bytes[at] = value;
          await rm(target, { recursive: true });
          await mkdir(target);
          await extract(bytes).catch((error: unknown) => expect(error).toBeInstanceOf(DownloadError));
          expect((await readdir(folder)).sort()).toEqual(["a", "archive.zip"]);
          expect(await readdir(join(folder, "a"))).toEqual(["target"]);
        },
      ),
      { numRuns: 300, seed: 1 },
    );
  });

  it("ends at an abort and keeps no file open", async () => {
    const file = join(folder, "archive.zip");
    await writeFile(
      file,
      zipBytes([
        { name: "a", content: "1" },
        { name: "b", content: "2" },
      ]),
    );
    const stop = new AbortController();
    const zip = await openZip(file, limits);
    const extracted = zip.extract(target, { signal: stop.signal, onProgress: () => stop.abort() });
    await expect(extracted).rejects.toMatchObject({ reason: "aborted" });
    zip.close();
    expect(await readdir(target)).toEqual(["a"]);
  });
});

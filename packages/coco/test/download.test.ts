import { createHash } from "node:crypto";
import { access, chmod, mkdir, mkdtemp, readdir, readFile, rm, stat, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { ConfigError, DatasetError } from "@caddet/core/base";
import fc from "fast-check";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { type Archive, COCO_ARCHIVES } from "../src/download/download-archives";
import { DownloadError, type DownloadOptions, downloadDataset } from "../src/node";
import { type Answer, type ArchiveServer, content, serve, status } from "./archive-server";
import { zipBytes } from "./zip-bytes";

const noise = (length: number) => Uint8Array.from({ length }, (_, n) => (Math.imul(n + 1, 2654435761) >>> 13) & 255);

const archiveOf = (bytes: Uint8Array, path = "zips/mini.zip"): Archive => ({
  path,
  bytes: bytes.length,
  checksum: { algorithm: "sha256", hex: createHash("sha256").update(bytes).digest("hex") },
});

const mini = zipBytes([
  { name: "mini/", mode: 0o040755 },
  { name: "mini/1.jpg", content: noise(300_000), mode: 0o100644 },
  { name: "mini/2.jpg", content: noise(50_000) },
]);
const archives = { mini: archiveOf(mini) };

let folder: string;
let server: ArchiveServer | undefined;
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), "download-"));
});
afterEach(async () => {
  await server?.close();
  server = undefined;
  await rm(folder, { recursive: true, force: true });
});

type Options = Partial<DownloadOptions>;

async function download(answers: readonly Answer[], options: Options = {}, names = ["mini"]) {
  await server?.close();
  server = await serve(...answers);
  return downloadDataset(names, { folder, baseUrl: server.url, archives, retryDelayMs: 1, ...options });
}

async function faultOf(answers: readonly Answer[], options: Options = {}, names = ["mini"]): Promise<DownloadError> {
  const error = await download(answers, options, names).then(
    () => undefined,
    (thrown: unknown) => thrown,
  );
  expect(error).toBeInstanceOf(DownloadError);
  expect(error).toBeInstanceOf(DatasetError);
  expect((error as DownloadError).details.reason).toBe((error as DownloadError).reason);
  return error as DownloadError;
}

const downloaded = [{ archive: "mini", state: "downloaded", files: 2, bytes: 350_000 }];

async function expectComplete() {
  expect((await readFile(join(folder, "mini/1.jpg"))).equals(noise(300_000))).toBe(true);
  expect((await readFile(join(folder, "mini/2.jpg"))).equals(noise(50_000))).toBe(true);
  expect((await readdir(folder)).sort()).toEqual([".download", "mini"]);
  expect(await readdir(join(folder, ".download"))).toEqual(["mini.json"]);
}

// After a failure: no file of the data set, and no lock.
async function expectNothingVisible() {
  expect(await readdir(folder)).toEqual([".download"]);
  expect((await readdir(join(folder, ".download"))).filter((name) => !name.includes(".part"))).toEqual([]);
}

const partSize = async () => (await stat(join(folder, ".download/mini.zip.part"))).size;

describe("downloadDataset", () => {
  it("fetches, verifies and unpacks, and tells how far it is", async () => {
    const steps: string[] = [];
    const onProgress: DownloadOptions["onProgress"] = ({ archive, step, done, total }) => {
      expect(archive).toBe("mini");
      expect(done).toBeLessThanOrEqual(total);
      if (done === total) steps.push(step);
    };
    expect(await download([content(mini)], { onProgress })).toEqual(downloaded);
    await expectComplete();
    expect([...new Set(steps)]).toEqual(["fetch", "verify", "extract"]);
    expect(server?.ranges).toEqual(["all"]);
  });

  it("does nothing the second time, and says so", async () => {
    await download([content(mini)]);
    const before = await stat(join(folder, "mini/1.jpg"));
    expect(await download([status(500)])).toEqual([{ ...downloaded[0], state: "present" }]);
    expect(server?.ranges).toEqual([]);
    expect(await stat(join(folder, "mini/1.jpg"))).toEqual(before);
  });

  it("fetches again what was deleted, cut, or recorded for another archive", async () => {
    await download([content(mini)]);
    await rm(join(folder, "mini/2.jpg"));
    expect(await download([content(mini)])).toEqual(downloaded);
    await expectComplete();
    await rm(join(folder, "mini"), { recursive: true });
    expect(await download([content(mini)])).toEqual(downloaded);
    await writeFile(join(folder, ".download/mini.json"), "{");
    expect(await download([content(mini)])).toEqual(downloaded);
    const other = zipBytes([{ name: "other/1.txt", content: "new" }]);
    const [result] = await download([content(other)], { archives: { mini: archiveOf(other) } });
    expect(result).toEqual({ archive: "mini", state: "downloaded", files: 1, bytes: 3 });
  });

  it("takes several archives that fill one folder, each once", async () => {
    const one = zipBytes([{ name: "annotations/a.json", content: "[1]" }]);
    const two = zipBytes([
      { name: "annotations/sub/b.json", content: "[22]" },
      { name: "annotations/a.json", content: "[1]" },
    ]);
    const twoArchives = { one: archiveOf(one, "one.zip"), two: archiveOf(two, "two.zip") };
    const results = await download([content(one), content(two)], { archives: twoArchives }, ["one", "two", "one"]);
    expect(results.map(({ archive, bytes }) => [archive, bytes])).toEqual([
      ["one", 3],
      ["two", 7],
    ]);
    expect(await readFile(join(folder, "annotations/sub/b.json"), "utf8")).toBe("[22]");
    expect(await readFile(join(folder, "annotations/a.json"), "utf8")).toBe("[1]");
  });

  it("leaves a file alone that is there with other content", async () => {
    await mkdir(join(folder, "mini"));
    await writeFile(join(folder, "mini/2.jpg"), "mine");
    const error = await faultOf([content(mini)]);
    expect(error.reason).toBe("file-exists");
    expect(error.message).toContain(join("mini", "2.jpg"));
    expect(await readdir(join(folder, "mini"))).toEqual(["2.jpg"]);
    expect(await readFile(join(folder, "mini/2.jpg"), "utf8")).toBe("mine");
    await rm(join(folder, "mini/2.jpg"));
    expect(await download([status(500)])).toEqual(downloaded); // from the part that was kept
    await expectComplete();
  });

  it("refuses an unknown archive and wrong options", async () => {
    await expect(download([], {}, ["val2018"])).rejects.toThrow(ConfigError);
    await expect(download([], {}, ["toString"])).rejects.toThrow(/there are mini/);
    await expect(download([], { baseUrl: "ftp://host/" })).rejects.toThrow(ConfigError);
    await expect(download([], { baseUrl: "nowhere" })).rejects.toThrow(ConfigError);
    await expect(download([], { retries: -1 })).rejects.toThrow(ConfigError);
    await expect(download([], { idleTimeoutMs: 0 })).rejects.toThrow(ConfigError);
    expect(await readdir(folder)).toEqual([]);
  });
});

describe("downloadDataset's connection", () => {
  it("goes on where the connection was cut", async () => {
    expect(await download([content(mini, { cutAfter: 100_000 }), content(mini)])).toEqual(downloaded);
    expect(server?.ranges).toEqual(["all", "bytes=100000-"]);
    await expectComplete();
  });

  it("brings the very bytes, whatever the cuts and whether the server goes on or starts anew", async () => {
    const attempt = fc.record({
      cutAfter: fc.nat(mini.length),
      ranges: fc.boolean(),
      etag: fc.constantFrom('"v1"', '"v2"', null),
    });
    await fc.assert(
      fc.asyncProperty(fc.array(attempt, { maxLength: 4 }), async (attempts) => {
        await rm(folder, { recursive: true, force: true });
        expect(await download([...attempts.map((cut) => content(mini, cut)), content(mini)])).toEqual(downloaded);
        await expectComplete();
      }),
      { numRuns: 15, seed: 3 },
    );
  });

  it("goes on in a later call", async () => {
    const error = await faultOf([content(mini, { cutAfter: 100_000 })], { retries: 0 });
    expect(error.reason).toBe("network");
    expect(await partSize()).toBe(100_000);
    await expectNothingVisible();
    const part = await readFile(join(folder, ".download/mini.zip.part"));
    const { port } = new URL(server!.url);
    await server!.close();
    server = await serve(content(mini));
    const state = { url: `${server.url}zips/mini.zip`, validator: '"v1"' };
    expect(JSON.parse(await readFile(join(folder, ".download/mini.zip.part.json"), "utf8"))).toEqual({
      ...state,
      url: `http://127.0.0.1:${port}/zips/mini.zip`,
    });
    await writeFile(join(folder, ".download/mini.zip.part.json"), JSON.stringify(state));
    await downloadDataset(["mini"], { folder, baseUrl: server.url, archives });
    expect(server.ranges).toEqual([`bytes=${part.length}-`]);
    await expectComplete();
  });

  it("starts anew where the server knows no ranges, has a new file, or marks none", async () => {
    const first = content(mini, { cutAfter: 100_000 });
    expect(await download([first, content(mini, { ranges: false })])).toEqual(downloaded);
    await rm(folder, { recursive: true });
    expect(await download([first, content(mini, { etag: '"v2"' })])).toEqual(downloaded);
    expect(server?.ranges).toEqual(["all", "bytes=100000-"]);
    await rm(folder, { recursive: true });
    for (const etag of [null, 'W/"v1"']) {
      expect(await download([content(mini, { cutAfter: 100_000, etag }), content(mini, { etag })])).toEqual(downloaded);
      expect(server?.ranges).toEqual(["all", "all"]);
      await rm(folder, { recursive: true });
    }
  });

  it("does not go on from another address, nor without a record of the first", async () => {
    await faultOf([content(mini, { cutAfter: 100_000 })], { retries: 0 });
    expect(await download([content(mini)])).toEqual(downloaded); // another port
    expect(server?.ranges).toEqual(["all"]);
    await rm(join(folder, "mini"), { recursive: true });
    await writeFile(join(folder, ".download/mini.zip.part"), "something");
    expect(await download([content(mini)])).toEqual(downloaded);
    await expectComplete();
  });

  it("starts anew where the part is too long, or the server sends another range than asked", async () => {
    await mkdir(join(folder, ".download"));
    await writeFile(join(folder, ".download/mini.zip.part"), Buffer.concat([mini, mini]));
    expect(await download([content(mini)])).toEqual(downloaded);
    await rm(folder, { recursive: true });
    const first = content(mini, { cutAfter: 100_000 });
    const shifted: Answer = (_, response) => {
      response.writeHead(206, { "content-range": `bytes 5-${mini.length - 1}/${mini.length}` });
      response.end(mini.subarray(5));
    };
    expect(await download([first, shifted, content(mini)])).toEqual(downloaded);
    expect(server?.ranges).toEqual(["all", "bytes=100000-", "all"]);
    await rm(folder, { recursive: true });
    expect(await download([first, status(416), content(mini)])).toEqual(downloaded);
    await expectComplete();
  });

  it("tries again after errors of the server, follows redirects and waits as told", async () => {
    const start = performance.now();
    const busy = status(503, { "retry-after": "0.1" });
    expect(await download([status(500), busy, status(429), content(mini)])).toEqual(downloaded);
    expect(performance.now() - start).toBeGreaterThan(90);
    await rm(folder, { recursive: true });
    expect(await download([status(302, { location: "/elsewhere" }), content(mini)])).toEqual(downloaded);
    await rm(folder, { recursive: true });
    const error = await faultOf([status(302, { location: "/again" })], { retries: 1 });
    expect(error.reason).toBe("network");
  });

  it("gives up at once where no attempt can help, and after the last attempt where one could", async () => {
    const missing = await faultOf([status(404)]);
    expect([missing.reason, missing.details.status]).toEqual(["http-status", 404]);
    expect(missing.message).toContain("zips/mini.zip");
    expect(server?.ranges.length).toBe(1);
    const failing = await faultOf([status(500)], { retries: 2 });
    expect([failing.reason, failing.details.status]).toEqual(["http-status", 500]);
    expect(server?.ranges.length).toBe(3);
    const { url } = server!;
    await server!.close();
    server = undefined;
    const closed = downloadDataset(["mini"], { folder, baseUrl: url, archives, retries: 1, retryDelayMs: 1 });
    await expect(closed).rejects.toMatchObject({ reason: "network", message: expect.stringContaining("ECONNREFUSED") });
    await expectNothingVisible();
  });

  it("does not wait for ever: neither for an answer nor for a byte", async () => {
    const silent = await faultOf([() => {}], { retries: 1, idleTimeoutMs: 50 });
    expect(silent.reason).toBe("timeout");
    expect(server?.ranges.length).toBe(2);
    const stalled = await faultOf([content(mini, { stallAfter: 1000 })], { retries: 0, idleTimeoutMs: 100 });
    expect(stalled.reason).toBe("timeout");
    expect(await partSize()).toBe(1000);
    expect(await download([content(mini, { stallAfter: 1000 }), content(mini)], { idleTimeoutMs: 100 })).toEqual(
      downloaded,
    );
  });

  it("counts a server that gives a few bytes at a time as failing", async () => {
    const error = await faultOf([content(mini, { cutAfter: 10 })], { retries: 3 });
    expect(error.reason).toBe("network");
    expect(server?.ranges).toEqual(["all", "bytes=10-", "bytes=20-", "bytes=30-"]);
  });

  it("passes on what the caller's own function throws", async () => {
    const onProgress = () => {
      throw new RangeError("the caller's");
    };
    await expect(download([content(mini)], { onProgress })).rejects.toThrow(new RangeError("the caller's"));
    expect(server?.ranges.length).toBe(1);
    await expectNothingVisible();
  });

  it("ends at an abort, before and during the work, and goes on later", async () => {
    const stop = new AbortController();
    const answer = content(mini, { stallAfter: 200_000 });
    const onProgress = () => stop.abort();
    const error = await faultOf([answer], { signal: stop.signal, onProgress });
    expect(error.reason).toBe("aborted");
    await expectNothingVisible();
    expect(await partSize()).toBeGreaterThan(0);
    expect((await faultOf([answer], { signal: stop.signal })).reason).toBe("aborted");
    expect(server?.ranges).toEqual([]);
    const waiting = new AbortController();
    setTimeout(() => waiting.abort(), 50);
    const slow = { signal: waiting.signal, retryDelayMs: 60_000 };
    expect((await faultOf([status(500)], slow)).reason).toBe("aborted");
    const late = new AbortController();
    const verifying: DownloadOptions["onProgress"] = ({ step }) => step === "extract" && late.abort();
    expect((await faultOf([content(mini)], { signal: late.signal, onProgress: verifying })).reason).toBe("aborted");
    await expectNothingVisible();
    expect(await download([status(500)])).toEqual(downloaded);
    await expectComplete();
  });
});

describe("downloadDataset's distrust", () => {
  it("refuses a file of another length, before or while it comes", async () => {
    const longer = Buffer.concat([mini, Buffer.from("x")]);
    const told = await faultOf([content(longer)]);
    expect([told.reason, told.details.got]).toEqual(["wrong-length", mini.length + 1]);
    const untold = await faultOf([content(longer, { length: false })]);
    expect(untold.reason).toBe("wrong-length");
    expect(server?.ranges.length).toBe(1);
    expect(await readdir(join(folder, ".download")).then((names) => names.includes("mini.zip.part"))).toBe(true);
    expect(await partSize()).toBeLessThanOrEqual(mini.length);
    const total: Answer = (_, response) => {
      response.writeHead(206, { "content-range": "bytes 100-200/99999" });
      response.end();
    };
    await rm(folder, { recursive: true });
    expect((await faultOf([content(mini, { cutAfter: 100 }), total])).reason).toBe("wrong-length");
    await rm(folder, { recursive: true });
    const short = content(mini.subarray(0, 1000), { length: false });
    expect((await faultOf([short], { retries: 0 })).reason).toBe("network");
  });

  it("refuses a file of another checksum and deletes it", async () => {
    const other = Buffer.from(mini);
    other[1000] = other[1000]! ^ 1;
    const error = await faultOf([content(other)]);
    expect([error.reason, error.details.expected]).toEqual(["wrong-checksum", archives.mini.checksum.hex]);
    expect(await readdir(join(folder, ".download"))).toEqual([]);
    expect(await download([content(mini)])).toEqual(downloaded);
  });

  it("checks MD5 as well", async () => {
    const hex = createHash("md5").update(mini).digest("hex");
    const md5 = { mini: { ...archives.mini, checksum: { algorithm: "md5" as const, hex } } };
    expect(await download([content(mini)], { archives: md5 })).toEqual(downloaded);
  });

  it("unpacks no hostile or broken archive, not even the official one", async () => {
    const slip = zipBytes([{ name: "mini/1.jpg" }, { name: "../../out.txt", content: "out" }]);
    expect((await faultOf([content(slip)], { archives: { mini: archiveOf(slip) } })).reason).toBe("unsafe-archive");
    await expectNothingVisible();
    const broken = zipBytes([{ name: "mini/1.jpg" }, { name: "mini/2.jpg", content: "content", crc: 7 }]);
    expect((await faultOf([content(broken)], { archives: { mini: archiveOf(broken) } })).reason).toBe("broken-archive");
    await expectNothingVisible();
    const text = Buffer.from("no zip");
    expect((await faultOf([content(text)], { archives: { mini: archiveOf(text) } })).reason).toBe("broken-archive");
  });

  it("asks for room before it fetches", async () => {
    const huge = { mini: { ...archives.mini, bytes: 2 ** 52 } };
    const error = await faultOf([content(mini)], { archives: huge });
    expect([error.reason, error.details.needed]).toEqual(["no-space", 2 ** 53]);
    expect(server?.ranges).toEqual([]);
  });

  it("names a folder that cannot be written to", async () => {
    const file = join(folder, "file");
    await writeFile(file, "");
    const error = await faultOf([content(mini)], { folder: file });
    expect([error.reason, error.details.code]).toEqual(["disk", "ENOTDIR"]);
    expect(error.message).toContain(file);
    await rm(file);
    await mkdir(join(folder, ".download/mini.zip.part"), { recursive: true });
    expect((await faultOf([content(mini)])).reason).toBe("disk");
    expect(server?.ranges).toEqual(["all"]);
  });

  it.skipIf(process.getuid?.() === 0 || process.platform === "win32")("names a folder without rights", async () => {
    await chmod(folder, 0o500);
    const error = await faultOf([content(mini)]);
    await chmod(folder, 0o700);
    expect([error.reason, error.details.code]).toEqual(["disk", "EACCES"]);
  });

  it("lets one process at a time into a folder, and takes over from a dead one", async () => {
    const first = download([content(mini, { stallAfter: 1000 })], { retries: 0, idleTimeoutMs: 300 }).catch(
      (error: unknown) => error,
    );
    await expect.poll(() => server?.ranges.length).toBe(1);
    const second = downloadDataset(["mini"], { folder, baseUrl: server!.url, archives });
    await expect(second).rejects.toMatchObject({ reason: "in-use" });
    expect(await first).toMatchObject({ reason: "timeout" });
    for (const dead of ["999999999", String(process.pid), "", "text"]) {
      await rm(join(folder, "mini"), { recursive: true, force: true });
      await writeFile(join(folder, ".download/lock"), dead);
      expect(await download([content(mini)])).toEqual(downloaded);
    }
    await writeFile(join(folder, ".download/lock"), String(process.ppid));
    expect((await faultOf([content(mini)])).reason).toBe("in-use");
    await rm(join(folder, ".download/lock"));
    expect((await download([]))[0]?.state).toBe("present");
    await expect(access(join(folder, ".download/lock"))).rejects.toThrow();
  });
});

describe("COCO_ARCHIVES", () => {
  it("has lengths and checksums of the right form", () => {
    for (const { path, bytes, checksum } of Object.values(COCO_ARCHIVES)) {
      expect(path).toMatch(/^(zips|annotations)\/\w+\.zip$/);
      expect(Number.isSafeInteger(bytes) && bytes > 1_000_000).toBe(true);
      expect(checksum.hex).toMatch(checksum.algorithm === "md5" ? /^[0-9a-f]{32}$/ : /^[0-9a-f]{64}$/);
    }
  });
});

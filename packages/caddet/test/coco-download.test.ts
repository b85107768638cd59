// `caddet coco download` against a local server; the official archives are not fetched.
import { createHash } from "node:crypto";
import { mkdtemp, readdir, readFile, rm } from "node:fs/promises";
import { createServer, type RequestListener, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { COCO_ARCHIVES } from "@caddet/coco/node";
import { zipSync } from "fflate";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { createOutput } from "../src";
import { cocoDownload } from "../src/commands/coco-download";
import { call, errorOf } from "./call";

const bytes = zipSync({ "mini/1.jpg": new Uint8Array(2_000_000).map((_, n) => n * 7) }, { level: 0 });
const checksum = { algorithm: "sha256", hex: createHash("sha256").update(bytes).digest("hex") } as const;
const archives = { mini: { path: "mini.zip", bytes: bytes.length, checksum } };

let folder: string;
let server: Server | undefined;
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), "download-"));
});
afterEach(async () => {
  server?.closeAllConnections();
  await new Promise((resolve) => (server ? server.close(resolve) : resolve(undefined)));
  server = undefined;
  await rm(folder, { recursive: true, force: true });
});

async function serve(answer: RequestListener): Promise<string> {
  server = createServer(answer);
  await new Promise<void>((resolve) => server!.listen(0, "127.0.0.1", resolve));
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
}

// Fetches the mini archive and keeps what is said.
async function download(baseUrl: string, isTTY = false) {
  let out = "";
  let err = "";
  const write = (text: string) => {
    err += text;
  };
  const output = createOutput({ write: (text: string) => (out += text) }, { write, isTTY, columns: 50 });
  const code = await cocoDownload(["mini"], { out: folder, baseUrl, json: true }, output, archives);
  return { code, out, err };
}

describe("caddet coco download", () => {
  it("brings an archive, says so, and does nothing the second time", async () => {
    const baseUrl = await serve((_, response) => response.end(bytes));
    const first = await download(baseUrl);
    expect(first.code).toBe(0);
    expect(first.out).toContain("mini: 1 file, 2.0 MB, checksum verified\n");
    expect((await readFile(join(folder, "mini/1.jpg"))).length).toBe(2_000_000);
    const second = await download("http://127.0.0.1:9/");
    expect(second.out).toContain("mini: is there already (1 file, 2.0 MB); nothing to do\n");
    expect(JSON.parse(second.out.trimEnd().split("\n").at(-1)!)).toEqual({
      folder,
      archives: [{ archive: "mini", state: "present", files: 1, bytes: 2_000_000 }],
    });
  });

  it("shows progress: few lines, or one that changes on a terminal and fits it", async () => {
    const baseUrl = await serve((_, response) => response.end(bytes));
    const plain = (await download(baseUrl)).err.trimEnd().split("\n");
    expect(plain.map((line) => line.replace(/, .*/, ""))).toEqual([
      "mini: fetching 100% of 2.0 MB",
      "mini: verifying 100% of 2.0 MB",
      "mini: unpacking 100% of 2.0 MB",
    ]);
    await rm(folder, { recursive: true });
    const { err } = await download(baseUrl, true);
    expect(err.startsWith("\rmini: ")).toBe(true);
    for (const line of err.split(/[\r\n]/)) expect(line.replace("\u001b[K", "").length).toBeLessThan(50);
  });

  it("exits with 1 where the server has no such file or another one", async () => {
    const missing = await serve((_, response) => response.writeHead(404).end());
    const error = errorOf(await call("coco", "download", "val2017", "--out", folder, "--base-url", missing));
    expect(error).toMatch(/zips\/val2017\.zip: the server answered 404 Not Found\. Check the address\.$/);
    server?.closeAllConnections();
    server?.close();
    const other = await serve((_, response) => response.writeHead(200, { "content-length": "3" }).end("zip"));
    const wrong = errorOf(await call("coco", "download", "annotations", "--out", folder, "--base-url", other));
    expect(wrong).toMatch(/annotations_trainval2017\.zip: has 3 bytes, the archive has 252907541\./);
    expect(await readdir(folder)).toEqual([".download"]);
  });

  it("exits with 2 for an unknown archive or without a folder", async () => {
    const unknown = await call("coco", "download", "val2018", "--out", folder);
    expect(unknown.code).toBe(2);
    for (const name of Object.keys(COCO_ARCHIVES)) expect(unknown.err).toContain(name);
    expect((await call("coco", "download", "val2017")).code).toBe(2);
    expect((await call("coco", "download", "--out", folder)).code).toBe(2);
  });

  it("stops at Ctrl-C, says how to go on, and exits with 130", async () => {
    const baseUrl = await serve((_, response) => {
      response.writeHead(200, { "content-length": bytes.length, etag: '"v1"' });
      response.write(bytes.subarray(0, 1000), () => process.emit("SIGINT", "SIGINT"));
    });
    const { code, err } = await download(baseUrl);
    expect(code).toBe(130);
    expect(err).toContain("Call again to go on");
    expect((await readdir(join(folder, ".download"))).includes("lock")).toBe(false);
  });
});

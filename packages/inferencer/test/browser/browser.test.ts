// The package in a real browser: it bundles without Node, and finds there what it finds in Node. Where there is no Chromium, only the
// bundle is looked at.
import { existsSync } from "node:fs";
import { readFile } from "node:fs/promises";
import { createServer, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { prepareBackend } from "@caddet/runtime/node";
import * as ort from "onnxruntime-node";
import { type Browser, chromium, type Page } from "playwright-core";
import sharp from "sharp";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import type { InferenceResult } from "../../src";
import { createDetector } from "../../src/node";
import { checkpointOf, exportedOf, movedDetector, noise } from "../models";
import { browserBundle, folderOf } from "./bundle";
import type { SentImage, SentResult } from "./page";

const here = (name: string) => fileURLToPath(new URL(name, import.meta.url));
const CHROMIUM = ["/usr/bin/chromium", "/usr/bin/chromium-browser", "/usr/bin/google-chrome"].find(existsSync);
const reason = CHROMIUM ? "" : " (not tested: there is no Chromium in /usr/bin)";

describe("the entry for browsers", () => {
  it("bundles without Node's modules and without what reads files", async () => {
    const { files } = await browserBundle(here("../../src/index.ts"));
    expect(files.some((file) => file.endsWith("sources/element-source.ts"))).toBe(true);
    expect(files.filter((file) => /src\/node\/|node_modules\/(sharp|tinyglobby|onnxruntime)/.test(file))).toEqual([]);
  });

  it("is told from one that needs Node", async () => {
    await expect(browserBundle(here("../../src/node.ts"))).rejects.toThrow(/Could not resolve "(node:)?fs/);
  });
});

// Serves files by path; each answer is made when it is asked for.
async function serve(answers: Readonly<Record<string, () => Promise<string | Uint8Array>>>): Promise<Server> {
  const types: Record<string, string> = {
    html: "text/html",
    js: "text/javascript",
    mjs: "text/javascript",
    wasm: "application/wasm",
  };
  const server = createServer(async ({ url = "/" }, response) => {
    const { pathname } = new URL(url, "http://page");
    const answer = answers[pathname] ?? answers[`${pathname.slice(0, pathname.lastIndexOf("/"))}/*`];
    const name = pathname.slice(pathname.lastIndexOf("/") + 1);
    if (!answer) return response.writeHead(404).end();
    const body = await (answer as (name: string) => Promise<string | Uint8Array>)(name);
    const type = types[pathname.slice(pathname.lastIndexOf(".") + 1)] ?? "application/octet-stream";
    return response.writeHead(200, { "content-type": type }).end(body);
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  return server;
}

const addressOf = (server: Server) => `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
const sent = ({ height, width, data }: { height: number; width: number; data: ArrayLike<number> }): SentImage => ({
  height,
  width,
  data: [...(data as Uint8Array)],
});

function expectSame(got: SentResult, wanted: InferenceResult): void {
  expect(got.objects.map(({ label }) => label)).toEqual(wanted.objects.map(({ label }) => label));
  expect(got.madds).toBe(wanted.madds);
  for (const [i, { score, box }] of wanted.objects.entries()) {
    expect(Math.abs(got.objects[i]!.score - score)).toBeLessThan(1e-3);
    box.forEach((v, side) => {
      expect(Math.abs(got.objects[i]!.box[side]! - v)).toBeLessThan(0.1);
    });
  }
}

describe.skipIf(!CHROMIUM)(`detectors in Chromium${reason}`, () => {
  let servers: Server[] = [];
  let browser: Browser | undefined;
  let page: Page;
  let inNode: Awaited<ReturnType<typeof createDetector>>;
  const failures: string[] = [];

  beforeAll(async () => {
    await prepareBackend({ backend: "wasm" });
    const detector = await movedDetector();
    const [checkpoint, model] = [await checkpointOf(detector), await exportedOf(detector)];
    detector.dispose();
    inNode = await createDetector({ file: model, engine: "onnx", onnx: { runtime: ort, threads: 1 } });
    const { text } = await browserBundle(here("page.ts"));
    const [wasm, web] = [folderOf("@tensorflow/tfjs-backend-wasm"), folderOf("onnxruntime-web/wasm")];
    const file = (folder: string) => (name?: string) => readFile(join(folder, name!));
    const red = () =>
      sharp({ create: { width: 4, height: 4, channels: 3, background: "red" } })
        .png()
        .toBuffer();
    servers = [
      await serve({
        "/": async () => "",
        "/index.html": async () =>
          '<!doctype html><meta charset="utf-8"><script type="module" src="/page.js"></script>',
        "/page.js": async () => text,
        "/model.safetensors": async () => checkpoint,
        "/model.onnx": async () => model,
        "/wasm/*": file(wasm),
        "/ort/*": file(web),
      }),
      await serve({ "/red.png": red }),
    ];
    browser = await chromium.launch({ executablePath: CHROMIUM!, args: ["--no-sandbox"] });
    page = await browser.newPage();
    page.on("pageerror", (error) => failures.push(String(error)));
    await page.goto(`${addressOf(servers[0]!)}/index.html`);
    await page.waitForFunction(() => window.caddetPage !== undefined);
    await page.evaluate(() => window.caddetPage.open());
  });
  afterAll(async () => {
    await inNode?.close();
    await browser?.close();
    for (const server of servers) server.close();
    expect(failures).toEqual([]);
  });

  it("find in an ImageData and a canvas what is found in Node, on both engines", async () => {
    // The network's own size, so that nothing is resized.
    const image = noise(64, 96, 5);
    const wanted = await inNode.detect(image);
    expect(wanted.objects.length).toBeGreaterThan(0);
    const { imageData, canvas } = await page.evaluate((given) => window.caddetPage.detect(given), sent(image));
    expect(imageData.map(({ engine }) => engine)).toEqual(["tfjs", "onnx"]);
    expect(imageData[0]!.device).toBe("wasm");
    expect(imageData[1]!.device).toContain("web");
    for (const result of [...imageData, ...canvas]) expectSame(result, wanted);
  });

  it("find in a video that was just loaded what is found in Node in its first frame", async () => {
    const given = sent(noise(64, 96, 6));
    const { results, frame } = await page.evaluate((image) => window.caddetPage.detectVideo(image), given);
    expect([frame.height, frame.width]).toEqual([64, 96]);
    // It is that picture, as far as a video's compression keeps it.
    const error = frame.data.reduce((sum, v, i) => sum + Math.abs(v - given.data[i]!), 0) / given.data.length;
    expect(error).toBeLessThan(40);
    const wanted = await inNode.detect({ ...frame, data: Uint8Array.from(frame.data) });
    for (const result of results) expectSame(result, wanted);
  });

  it("take the same pixels from every kind of element", async () => {
    const smooth = Uint8Array.from({ length: 40 * 60 * 3 }, (_, i) => {
      const [y, x] = [Math.floor(i / 180), Math.floor(i / 3) % 60];
      return [4 * x, 6 * y, 255 - 2 * x - 2 * y][i % 3]!;
    });
    const image = sent({ height: 40, width: 60, data: smooth });
    for (const size of [image, { height: 20, width: 30 }, { height: 77, width: 111 }]) {
      const { height, width } = size;
      const call = { image, size: { height, width } };
      const rendered = await page.evaluate((args) => window.caddetPage.render(args.image, args.size), call);
      expect(Object.keys(rendered)).toHaveLength(7);
      for (const [name, data] of Object.entries(rendered)) {
        expect(data).toHaveLength(height * width * 3);
        // The canvas resizes in a way of its own; a VideoFrame may have been YUV in between.
        const tolerance = name === "frame" ? 6 : size === image ? 0 : 4;
        const worst = Math.max(...data.map((v, i) => Math.abs(v - rendered.pixels![i]!)));
        expect(worst, `${name} at ${height} x ${width}`).toBeLessThanOrEqual(tolerance);
      }
    }
  });

  it("say what is wrong with what has no pixels, and with those of another origin", async () => {
    const foreign = `${addressOf(servers[1]!)}/red.png`;
    const messages = await page.evaluate((address) => window.caddetPage.refusals(address), foreign);
    expect(messages[0]).toBe("DatasetError: This ImageBitmap has no pixels. Close it after its result is there.");
    expect(messages[1]).toMatch(
      /^DatasetError: This ImageBitmap cannot be read: .*Close it after its result is there\.$/,
    );
    expect(messages[2]).toBe("DatasetError: This HTMLImageElement has no pixels. Wait for it: await image.decode().");
    expect(messages[3]).toBe("DatasetError: This HTMLVideoElement has no pixels. Wait for its event loadeddata.");
    expect(messages[4]).toMatch(/^DatasetError: This HTMLImageElement cannot be read: .*Serve it with CORS/);
  });

  it("leave no tensor behind", async () => {
    expect(await page.evaluate(() => window.caddetPage.close())).toBe(0);
  });
});

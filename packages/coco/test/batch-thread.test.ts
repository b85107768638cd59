import { mkdtemp, realpath, rm, truncate } from "node:fs/promises";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { fileURLToPath, pathToFileURL } from "node:url";
import { CaddetError } from "@caddet/core/base";
import { build } from "esbuild";
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from "vitest";
import { createLocalRenderer } from "../src/loader/batch-renderer";
import { createThreadRenderer } from "../src/loader/batch-thread";
import { loaderOver } from "../src/loader/loader";
import { type Batch, type ImageDataset, ImageFileError, type LoaderOptions, loadDataset } from "../src/node";
import { drawDataset } from "./drawn-images";

const images = Array.from({ length: 10 }, (_, n) => ({ id: n + 1, width: 60 + 7 * n, height: n % 2 === 0 ? 90 : 50 }));
const size = { shorter: 48, longer: 96 };
const options: LoaderOptions = { batchSize: 3, size, shuffle: true, flip: 0.5, seed: 3 };

let scripts: string;
let script: URL;
let folder: string;
let dataset: ImageDataset;
let remove: () => Promise<void>;

// The build makes the script from the same entry; here it is made of the sources, as tests need no build.
beforeAll(async () => {
  const here = dirname(fileURLToPath(import.meta.url));
  scripts = await realpath(await mkdtemp(join(tmpdir(), "coco-thread-")));
  const outfile = join(scripts, "loader-worker.mjs");
  const sharpFile = import.meta.resolve("sharp");
  await build({
    entryPoints: [join(here, "../src/loader/loader-worker.ts")],
    outfile,
    bundle: true,
    platform: "node",
    format: "esm",
    conditions: ["@caddet/source"],
    alias: { sharp: sharpFile },
    external: [sharpFile],
  });
  script = pathToFileURL(outfile);
});
afterAll(() => rm(scripts, { recursive: true }));
beforeEach(async () => {
  ({ folder, remove } = await drawDataset(images));
  dataset = await loadDataset(folder, "train");
});
afterEach(() => remove());

async function collect(maker: Parameters<typeof loaderOver>[2], extra: Partial<LoaderOptions> = {}): Promise<Batch[]> {
  const loader = loaderOver(dataset, { ...options, ...extra }, maker);
  const batches: Batch[] = [];
  try {
    for await (const batch of loader.epoch(1)) batches.push(batch);
  } finally {
    loader.dispose();
  }
  return batches;
}

const local = () => createLocalRenderer(3);
const threaded = () => createThreadRenderer(script, 3);

describe("a loader with a thread", () => {
  it("shares memory with who gives batches back, and keeps it when an epoch is left", async () => {
    const loader = loaderOver(dataset, { ...options, batchSize: 1, prefetch: 2 }, threaded);
    const kinds: boolean[] = [];
    for (let round = 0; round < 4; round++) {
      let n = 0;
      for await (const batch of loader.epoch(round)) {
        kinds.push(batch.images.buffer instanceof SharedArrayBuffer);
        loader.recycle(batch);
        if (++n === 5) break;
      }
    }
    loader.dispose();
    // Three batches are in work before the first comes back; from then on all memory is used again, also that of epochs left early.
    expect(kinds).toEqual([...Array(3).fill(false), ...Array(17).fill(true)]);
  });

  it("gives the batches of one without, to the bit", async () => {
    const batches = await collect(threaded, { prefetch: 3 });
    expect(batches.length).toBe(4);
    expect(batches).toEqual(await collect(local));
  });

  it("gives the same in memory that was used before", async () => {
    const wanted = await collect(local);
    for (const maker of [local, threaded]) {
      const loader = loaderOver(dataset, options, maker);
      const buffers = new Set<number>();
      let n = 0;
      for await (const batch of loader.epoch(1)) {
        expect(batch).toEqual(wanted[n++]);
        buffers.add(batch.images.buffer.byteLength);
        batch.images.fill(7);
        loader.recycle(batch);
        loader.recycle(batch);
      }
      expect(n).toBe(wanted.length);
      loader.dispose();
    }
  });

  it("treats bad images alike", async () => {
    for (const id of [2, 3, 7]) await truncate(join(folder, "train", `${id}.jpg`), 0);
    const batches = await collect(threaded);
    expect(batches).toEqual(await collect(local));
    expect(batches.flatMap(({ imageIds }) => imageIds)).not.toContain(2);
    const error = await collect(threaded, { badImages: "error" }).catch((e: unknown) => e);
    expect(error).toBeInstanceOf(ImageFileError);
    expect(error).toMatchObject({ reason: "empty-file", code: "dataset" });
    expect((error as ImageFileError).details).toHaveProperty("file");
  });

  it("can be left early and entered again", async () => {
    const loader = loaderOver(dataset, { ...options, prefetch: 3 }, threaded);
    for await (const batch of loader.epoch(0)) {
      expect(batch.imageIds.length).toBe(3);
      break;
    }
    expect((await loader.epoch(0).next()).done).toBe(false);
    loader.dispose();
    loader.dispose();
  });

  it("says when its thread fails", async () => {
    const missing = () => createThreadRenderer(pathToFileURL(join(scripts, "none.mjs")), 3);
    const error = await collect(missing).catch((e: unknown) => e);
    expect(error).toBeInstanceOf(CaddetError);
    expect((error as CaddetError).code).toBe("loader-thread");
  });
});

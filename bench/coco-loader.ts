// The image loader of @caddet/coco against sharp's own rate: the same files, decoded and resized to the same sizes,
// which is all that sharp does; the loader's batches are normalised, mirrored and padded floats besides. sharp runs
// with one thread an image, no cache, and the number of images at once that was fastest here. Each run is a process
// of its own that uses the build (npm run build); contestants take turns. Draws JPEGs like photographs in a temporary
// folder, or takes those of the folder in COCO_MINI. Milliseconds are for all images, after 16 to warm up.
import { fork } from "node:child_process";
import { mkdir, mkdtemp, readdir, readFile, realpath, rm, writeFile } from "node:fs/promises";
import { availableParallelism, tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as wait } from "node:timers/promises";
import { fileURLToPath } from "node:url";
import { parseAnnotations } from "@caddet/coco";
import { createLoader, type ImageDataset } from "@caddet/coco/node";
import { createRandom, resizedSize } from "@caddet/core/base";
import sharp from "sharp";
import type { BenchRow } from "./kernels";

const IMAGES = 240;
const ROUNDS = 5;
const BATCH = 16;
/** The main thread of a trainer is at work most of the time. */
const BUSY_MS = 200;
const GAP_MS = 10;

interface ImageEntry {
  readonly id: number;
  readonly file_name: string;
  readonly width: number;
  readonly height: number;
}

/** What one process measures. */
interface Order {
  readonly kind: "sharp" | "loader";
  readonly folder: string;
  readonly images: readonly ImageEntry[];
  readonly shorter: number;
  readonly longer: number;
  /** Images at once, for sharp; batches ahead, for the loader. */
  readonly ahead: number;
  readonly recycle: boolean;
  readonly busy: boolean;
}

interface Outcome {
  readonly ms: number;
  /** Of all threads, for an image. */
  readonly cpuMs: number;
  readonly peakMiB: number;
  /** Of the first batch. */
  readonly shape: string;
}

/** A drawing with a photograph's spectrum: smooth noise of several sizes. Its files are about as large as COCO's. */
async function drawPhoto(width: number, height: number, seed: number): Promise<Buffer> {
  const random = createRandom(seed);
  const values = new Float32Array(width * height * 3);
  for (const [cell, amplitude] of [
    [160, 70],
    [40, 40],
    [10, 20],
    [3, 12],
  ] as const) {
    const columns = Math.ceil(width / cell) + 2;
    const grid = Float32Array.from(
      { length: columns * (Math.ceil(height / cell) + 2) * 3 },
      () => (random.next() - 0.5) * 2 * amplitude,
    );
    for (let y = 0; y < height; y++) {
      const [gy, fy] = [Math.floor(y / cell), (y / cell) % 1];
      for (let x = 0; x < width; x++) {
        const [gx, fx] = [Math.floor(x / cell), (x / cell) % 1];
        for (let c = 0; c < 3; c++) {
          const at = (gy * columns + gx) * 3 + c;
          const below = at + columns * 3;
          const upper = grid[at]! * (1 - fx) + grid[at + 3]! * fx;
          const lower = grid[below]! * (1 - fx) + grid[below + 3]! * fx;
          values[(y * width + x) * 3 + c]! += upper * (1 - fy) + lower * fy;
        }
      }
    }
  }
  const rgb = Uint8Array.from(values, (v) => Math.min(255, Math.max(0, v + 120 + (random.next() - 0.5) * 12)));
  return sharp(rgb, { raw: { width, height, channels: 3 } })
    .jpeg({ quality: 92 })
    .toBuffer();
}

async function drawImages(folder: string, width: number, height: number): Promise<ImageEntry[]> {
  await mkdir(folder);
  const photos = await Promise.all(Array.from({ length: 8 }, (_, seed) => drawPhoto(width, height, seed)));
  const images = Array.from({ length: IMAGES }, (_, n) => ({ id: n + 1, file_name: `${n + 1}.jpg`, width, height }));
  for (const { id, file_name } of images) await writeFile(join(folder, file_name), photos[id % photos.length]!);
  return images;
}

async function findImages(folder: string): Promise<ImageEntry[]> {
  const files = (await readdir(folder)).filter((file) => file.endsWith(".jpg")).slice(0, IMAGES);
  return Promise.all(
    files.map(async (file_name, n) => {
      const { width, height } = await sharp(join(folder, file_name)).metadata();
      return { id: n + 1, file_name, width: width!, height: height! };
    }),
  );
}

async function runSharp({ folder, images, shorter, longer, ahead }: Order): Promise<string> {
  sharp.cache(false);
  sharp.concurrency(1);
  let next = 0;
  const worker = async () => {
    while (next < images.length) {
      const { file_name, ...size } = images[next++]!;
      const { width, height } = resizedSize(size, { shorter, longer });
      const image = sharp(join(folder, file_name)).resize(width, height, { fit: "fill", kernel: "linear" });
      await image.raw().toBuffer();
    }
  };
  await Promise.all(Array.from({ length: ahead }, worker));
  return "";
}

async function runLoader({ folder, images, shorter, longer, ahead, recycle }: Order): Promise<string> {
  const dataset: ImageDataset = {
    ...parseAnnotations({ images, annotations: [], categories: [{ id: 1, name: "thing" }] }, { file: folder }),
    imageFolder: folder,
  };
  const loader = createLoader(dataset, { batchSize: BATCH, size: { shorter, longer }, flip: 0.5, prefetch: ahead });
  let shape = "";
  let loaded = 0;
  for await (const batch of loader.epoch(0)) {
    shape ||= batch.shape.join(" × ");
    loaded += batch.imageIds.length;
    if (recycle) loader.recycle(batch);
  }
  loader.dispose();
  if (loaded !== images.length) throw new Error(`Loaded ${loaded} of ${images.length} images.`);
  return shape;
}

/** Keeps the main thread as busy as a trainer does. */
async function beBusy(until: AbortSignal): Promise<void> {
  while (!until.aborted) {
    const end = performance.now() + BUSY_MS;
    while (performance.now() < end);
    await wait(GAP_MS);
  }
}

/** Largest resident set so far, MiB. Linux' resource usage counts the process that forked, too; its status does not. */
async function peakMemory(): Promise<number> {
  const status = await readFile("/proc/self/status", "utf8").catch(() => "");
  const kilobytes = /^VmHWM:\s*(\d+) kB$/m.exec(status)?.[1] ?? process.resourceUsage().maxRSS;
  return Math.round(Number(kilobytes) / 1024);
}

async function measure(order: Order): Promise<Outcome> {
  const once = order.kind === "sharp" ? runSharp : runLoader;
  // The first images load code and fill the file cache.
  await once({ ...order, images: order.images.slice(0, BATCH), busy: false });
  const done = new AbortController();
  const busy = order.busy ? beBusy(done.signal) : undefined;
  const before = process.cpuUsage();
  const start = performance.now();
  const shape = await once(order);
  const ms = performance.now() - start;
  const { user, system } = process.cpuUsage(before);
  done.abort();
  await busy;
  return { ms, cpuMs: (user + system) / 1000 / order.images.length, peakMiB: await peakMemory(), shape };
}

function inProcess(order: Order): Promise<Outcome> {
  return new Promise((resolve, reject) => {
    const child = fork(fileURLToPath(import.meta.url), ["--measure"], {
      stdio: "inherit",
      // Without the source condition: packages are their builds.
      execArgv: ["--import", "tsx"],
    });
    child.once("message", (outcome) => resolve(outcome as Outcome));
    child.once("error", reject);
    child.once("exit", (code) => reject(new Error(`The measuring process ended with ${code}.`)));
    child.send(order);
  });
}

const median = (values: readonly number[]) => values.toSorted((a, b) => a - b)[values.length >> 1]!;

interface Setting {
  readonly name: string;
  readonly folder: string;
  readonly images: readonly ImageEntry[];
  readonly shorter: number;
  readonly longer: number;
  readonly ahead: number;
  readonly recycle: boolean;
  readonly busy: boolean;
}

/** A row with what a loader costs besides time. */
interface LoaderRow extends BenchRow {
  images_per_s: number;
  cpu_ms_per_image: number;
  peer_cpu_ms_per_image: number;
  peak_mib: number;
  peer_peak_mib: number;
}

const round = (value: number) => Number(value.toFixed(2));

/** One row: our times beside sharp's, in turns. */
async function compare({ name, ...setting }: Setting, atOnce: number): Promise<LoaderRow> {
  const ours: Outcome[] = [];
  const theirs: Outcome[] = [];
  for (let round = 0; round < ROUNDS; round++) {
    ours.push(await inProcess({ ...setting, kind: "loader" }));
    theirs.push(await inProcess({ ...setting, kind: "sharp", ahead: atOnce }));
  }
  const own = median(ours.map(({ ms }) => ms));
  const peer = median(theirs.map(({ ms }) => ms));
  return {
    name,
    shape: ours[0]!.shape,
    median_ms: Math.round(own),
    peer: `sharp, ${atOnce} at once${setting.busy ? ", main thread as busy" : ""}`,
    peer_ms: Math.round(peer),
    ratio: Number((peer / own).toFixed(3)),
    images_per_s: Math.round((setting.images.length / own) * 1000),
    cpu_ms_per_image: round(median(ours.map(({ cpuMs }) => cpuMs))),
    peer_cpu_ms_per_image: round(median(theirs.map(({ cpuMs }) => cpuMs))),
    peak_mib: Math.max(...ours.map(({ peakMiB }) => peakMiB)),
    peer_peak_mib: Math.max(...theirs.map(({ peakMiB }) => peakMiB)),
    gmadds_per_s: null,
    forward_gmadds_per_s: null,
  };
}

/** How many images at once suit sharp best here. */
async function bestAtOnce(setting: Omit<Setting, "name">): Promise<number> {
  const choices = [availableParallelism(), availableParallelism() * 2, availableParallelism() * 4];
  const times: number[] = [];
  for (const ahead of choices) times.push((await inProcess({ ...setting, kind: "sharp", ahead })).ms);
  return choices[times.indexOf(Math.min(...times))]!;
}

export async function run(): Promise<BenchRow[]> {
  const temporary = await realpath(await mkdtemp(join(tmpdir(), "coco-loader-")));
  try {
    const { COCO_MINI: real } = process.env;
    const wide = join(temporary, "wide");
    const [folder, images] = real ? [real, await findImages(real)] : [wide, await drawImages(wide, 640, 480)];
    const flat = join(temporary, "flat");
    const large = real ? { folder, images } : { folder: flat, images: await drawImages(flat, 640, 427) };
    const small = { folder, images, shorter: 600, longer: 1000, ahead: 2, recycle: true, busy: false };
    const big = { ...large, shorter: 800, longer: 1333, ahead: 2, recycle: true, busy: false };
    const atOnce = await bestAtOnce(small);
    const settings: Setting[] = [
      { name: "loader", ...small },
      { name: "loader, memory not given back", ...small, recycle: false },
      { name: "loader, prefetch 2", ...big },
      { name: "loader, prefetch 4", ...big, ahead: 4 },
      { name: "loader, main thread 95 % busy", ...small, busy: true },
    ];
    const rows: BenchRow[] = [];
    for (const setting of settings) rows.push(await compare(setting, atOnce));
    return rows;
  } finally {
    await rm(temporary, { recursive: true });
  }
}

if (process.argv.includes("--measure")) {
  process.once("message", async (order) => {
    process.send!(await measure(order as Order), () => process.exit(0));
  });
}

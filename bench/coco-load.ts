// Reading COCO files beside pycocotools and JSON.parse, each as a whole process, start-up included: an annotation file as large as
// instances_train2017.json and a results file of 500,000 detections, both generated. Median of interleaved runs with the files in the
// page cache; peak memory is the resident set. Ours is the built dist ("npm run build" first): compiling is not reading.
import { mkdtemp, readFile, rm, stat } from "node:fs/promises";
import { availableParallelism, tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { type ChildRun, runChild } from "./peers/child-process";
import { VAL2017, writeEvaluationSet } from "./peers/evaluation-set";
import { TRAIN2017, writeInstancesFile } from "./peers/instances-file";
import { createVenv } from "./peers/python-venv";

/** One file, read by us and by a peer. */
export interface LoadRow {
  name: string;
  shape: string;
  median_ms: number;
  peer: string;
  peer_ms: number;
  /** peer_ms / median_ms */
  ratio: number;
  peak_mib: number;
  peer_peak_mib: number;
  /** peer_peak_mib / peak_mib */
  memory_ratio: number;
}

interface Contestant {
  readonly name: string;
  readonly command: readonly string[];
  /** Entries that it has to find. */
  readonly entries: number;
}

const RUNS = 3;
const DIST = fileURLToPath(new URL("../packages/coco/dist/node.js", import.meta.url));
const OWN = fileURLToPath(new URL("peers/load-caddet.mjs", import.meta.url));
const PARSE = `const v = JSON.parse(require("fs").readFileSync(process.argv[1], "utf8")); process.stdout.write(String((v.annotations ?? v).length))`;
const PYCOCOTOOLS = `
import contextlib, io, sys
from pycocotools.coco import COCO
with contextlib.redirect_stdout(io.StringIO()):
    coco = COCO(sys.argv[1])
print(len(coco.anns), end="")
`;

function median(values: readonly number[]): number {
  return [...values].sort((a, b) => a - b)[values.length >> 1]!;
}

// The runs of each contestant; one after the other, again and again, so that a slow minute of the machine hits all.
async function contest(contestants: readonly Contestant[]): Promise<Map<string, { ms: number; mib: number }>> {
  const runs = new Map<string, ChildRun[]>(contestants.map(({ name }) => [name, []]));
  for (let n = 0; n < RUNS; n++) {
    for (const { name, command, entries } of contestants) {
      const run = await runChild(command);
      if (run.exitCode !== 0 || Number(run.stdout) !== entries) {
        throw new Error(
          `${name}: expected ${entries} entries, got "${run.stdout}" (exit ${run.exitCode}). ${run.stderr}`,
        );
      }
      runs.get(name)!.push(run);
    }
  }
  const numbers = ([name, list]: [string, ChildRun[]]) =>
    [name, { ms: median(list.map((r) => r.wallMs)), mib: Math.max(...list.map((r) => r.peakMiB)) }] as const;
  return new Map([...runs].map(numbers));
}

async function rowsOf(shape: string, own: readonly Contestant[], peers: readonly Contestant[]): Promise<LoadRow[]> {
  const found = await contest([...own, ...peers]);
  return own.flatMap(({ name }) =>
    peers.map((peer) => {
      const ours = found.get(name)!;
      const theirs = found.get(peer.name)!;
      return {
        name,
        shape,
        median_ms: Math.round(ours.ms),
        peer: peer.name,
        peer_ms: Math.round(theirs.ms),
        ratio: Number((theirs.ms / ours.ms).toFixed(2)),
        peak_mib: Math.round(ours.mib),
        peer_peak_mib: Math.round(theirs.mib),
        memory_ratio: Number((theirs.mib / ours.mib).toFixed(2)),
      };
    }),
  );
}

function caddet(name: string, what: string, file: string, entries: number): Contestant {
  return { name, command: [process.execPath, OWN, DIST, what, file], entries };
}

function jsonParse(file: string, entries: number): Contestant {
  return { name: "JSON.parse", command: [process.execPath, "-e", PARSE, file], entries };
}

async function megabytes(file: string): Promise<string> {
  return `${Math.round((await stat(file)).size / 1e6)} MB`;
}

/** Measures everything; takes some minutes, 1 GB in the temp folder, and Python with pip for pycocotools. */
export async function run(): Promise<LoadRow[]> {
  await readFile(DIST).catch((cause) => {
    throw new Error(`${DIST} is missing. Run "npm run build" first.`, { cause });
  });
  const folder = await mkdtemp(join(tmpdir(), "caddet-bench-load-"));
  const venv = await createVenv(["pycocotools"]);
  try {
    const instances = join(folder, "instances.json");
    const [gt, dt] = [join(folder, "gt.json"), join(folder, "results.json")];
    await writeInstancesFile(instances, { ...TRAIN2017, seed: 1 });
    await writeEvaluationSet({ gt, dt });
    const { images, annotations } = TRAIN2017;
    const version = venv.versions.pycocotools;
    if (!version) process.stderr.write(`pycocotools is left out: ${venv.missing.pycocotools}\n`);
    const pycocotools = {
      name: `pycocotools ${version}`,
      command: [venv.python, "-c", PYCOCOTOOLS, instances],
      entries: annotations,
    };
    return [
      ...(await rowsOf(
        `${await megabytes(instances)}, ${images} images, ${annotations} annotations, ${availableParallelism()} cores`,
        [
          caddet("annotations", "annotations", instances, annotations),
          caddet("annotations with polygons", "polygons", instances, annotations),
        ],
        [...(version ? [pycocotools] : []), jsonParse(instances, annotations)],
      )),
      ...(await rowsOf(
        `${await megabytes(dt)}, ${VAL2017.detections} detections`,
        [caddet("results", "results", dt, VAL2017.detections)],
        [jsonParse(dt, VAL2017.detections)],
      )),
    ];
  } finally {
    await venv.remove();
    await rm(folder, { recursive: true, force: true });
  }
}

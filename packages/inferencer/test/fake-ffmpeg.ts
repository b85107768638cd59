// Programs that behave as ffmpeg does as far as this package sees it, for what no real video shows on demand: an endless one, a slow
// one, a failing one, an old one. Scripts of Node in a folder; on Windows, scripts are no programs.
import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";

/** A program that was written. */
export interface FakeFfmpeg {
  /** Its path. */
  readonly path: string;
  /** The arguments of its last run. */
  readonly args: () => string[];
  /** The process id of its last run. */
  readonly pid: () => number;
  /** How many frames it has written in its last run. */
  readonly written: () => number;
}

/**
 * Writes a program. Its `frame(i)` writes a picture of 100 x 100 pixels whose bytes are all `i`, at second `i / 4`, and waits until
 * somebody takes it.
 *
 * @param folder where to
 * @param name of the program
 * @param run JavaScript that a run executes
 * @param version what `-version` says
 */
export function fakeFfmpeg(folder: string, name: string, run: string, version = "5.1.2"): FakeFfmpeg {
  const path = join(folder, name);
  const script = `#!${process.execPath}
const { readFileSync, writeFileSync, writeSync } = require("node:fs");
if (process.argv[2] === "-version") {
  console.log("ffmpeg version ${version} Copyright (c) the developers");
  process.exit(0);
}
writeFileSync(${JSON.stringify(`${path}.args`)}, JSON.stringify(process.argv.slice(2)));
writeFileSync(${JSON.stringify(`${path}.pid`)}, String(process.pid));
const all = (file, bytes) => {
  for (let at = 0; at < bytes.length; ) {
    try {
      at += writeSync(file, bytes, at);
    } catch (error) {
      if (error.code !== "EAGAIN") process.exit(1);
    }
  }
};
const frame = (i) => {
  all(3, Buffer.from("frame:" + i + " pts:" + i + " pts_time:" + i / 4 + "\\ncaddet=1\\n"));
  all(1, Buffer.concat([Buffer.from("P6\\n100 100\\n255\\n"), Buffer.alloc(30000, i)]));
  writeFileSync(${JSON.stringify(`${path}.frames`)}, String(i + 1));
};
${run}
`;
  writeFileSync(path, script, { mode: 0o755 });
  const read = (ending: string) => readFileSync(`${path}.${ending}`, "utf8");
  return {
    path,
    args: () => JSON.parse(read("args")),
    pid: () => Number(read("pid")),
    written: () => Number(read("frames")),
  };
}

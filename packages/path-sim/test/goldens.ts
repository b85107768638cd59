// Reads the reference values; fixtures/README.md says where they come from.
import { readFileSync } from "node:fs";
import { gunzipSync } from "node:zlib";

export interface GoldenCase {
  name: string;
  images: number;
  paths: number;
  min: number;
  max: number;
  gates: number[]; // [B * P]
  scaleEncoding: number[][]; // [B][4]
  scaleSimilarity: number[]; // [B * B]
  pathSimilarity: number[]; // [B * B]
  targetSimilarity: number[]; // [B * B]
  loss: number;
  grad: number[]; // [B * P]
  zeroRows: number[];
}

const file = new URL("./fixtures/caddet-losses.json.gz", import.meta.url);

export const cases: GoldenCase[] = JSON.parse(gunzipSync(readFileSync(file)).toString("utf8"));

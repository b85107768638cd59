// Reads the reference values; fixtures/README.md says where they come from.
import { readFileSync } from "node:fs";
import { gunzipSync } from "node:zlib";

export interface GoldenLoss {
  expected: number[]; // [B]
  perImage: number[]; // [B]
  loss: number;
  grad: number[]; // [B * P]
}

export interface GoldenCase {
  name: string;
  images: number;
  nodes: number;
  ratio: number;
  tau: number;
  nodeOfPath: number[]; // [P]
  nodeCost: number[]; // [n]
  pathCost: number[]; // [P]
  boxes: number[][]; // [B][N * 4]
  gates: number[]; // [B * P]
  scaleEncoding: number[][]; // [B][4]
  total: number;
  netCost: number[]; // [B]
  tieNodes: number[]; // [B * n]
  executed: number[]; // [B], fractions of the total
  mean: GoldenLoss;
  sum: GoldenLoss;
}

const file = new URL("./fixtures/caddet-losses.json.gz", import.meta.url);

export const cases: GoldenCase[] = JSON.parse(gunzipSync(readFileSync(file)).toString("utf8"));

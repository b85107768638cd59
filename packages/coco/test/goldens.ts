// Reads the reference values; fixtures/README.md says where they come from.
import { readdirSync, readFileSync } from "node:fs";
import { gunzipSync } from "node:zlib";

interface Curve {
  shape: number[];
  sha256_f64le: string;
  data?: number[];
  slices?: { k: number; a: number; m: number; data: number[] }[];
}

export interface GoldenCase {
  name: string;
  tags: string[];
  params: {
    maxDets: number[];
    useCats: 0 | 1;
    imgIds: number[] | null;
    catIds: number[] | null;
    areaRng: [number, number][] | null;
    areaRngLbl: string[] | null;
    iouThrs: number[] | null;
    recThrs: number[] | null;
  };
  gt: {
    images: unknown[];
    annotations: { id: number; image_id: number; category_id: number }[];
    categories: unknown[];
  };
  dt: { image_id: number; category_id: number; bbox: number[]; score: number }[];
  expected: {
    stats: number[];
    counts: number[];
    iouThrs: number[];
    recThrs: number[];
    catIds: number[];
    imgIds: number[];
    areaRngLbl: string[];
    precision: Curve;
    scores: Curve;
    recall: Curve;
    evalImgsCount: number;
    evalImgsNonNull: number;
    evalImgs: {
      index: number;
      image_id: number;
      category_id: number;
      dtIds: number[];
      dtScores: number[];
      gtIds: number[];
      gtIgnore: number[];
      dtMatches: number[][];
      gtMatches: number[][];
      dtIgnore: number[][];
    }[];
    ious: { image_id: number; category_id: number; shape: [number, number]; data: number[] }[];
  };
}

const folder = new URL("./fixtures/", import.meta.url);

export const cases: GoldenCase[] = readdirSync(folder)
  .filter((name) => name.endsWith(".json.gz"))
  .sort()
  .map((name) => JSON.parse(gunzipSync(readFileSync(new URL(name, folder))).toString("utf8")));

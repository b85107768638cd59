// Writes results files: plain, and zipped under the name that COCO's evaluation server wants. Needs Node.
import { join } from "node:path";
import { Zip, ZipDeflate } from "fflate";
import { writeText } from "../json/text-file";
import type { CocoResults } from "./results";
import { type FormatResultsOptions, formatResults, type SubmissionName, submissionName } from "./results-text";

/**
 * Writes a results file that pycocotools and COCO's evaluation server read.
 *
 * @param file its path, e.g. "results.json"
 * @param results detections with COCO's category ids (not labels) and boxes `x, y, width, height` in source pixels
 * @param options decimals of boxes (default 2) and of scores (default 5)
 * @throws DatasetError when a number is not finite or the file cannot be written; an older file is then left as it was
 * @example await writeResults("results.json", results)
 */
export async function writeResults(
  file: string,
  results: CocoResults,
  options: FormatResultsOptions = {},
): Promise<void> {
  await writeText(file, formatResults(results, options));
}

// The bytes of a zip with one file.
function* zipped(name: string, text: Iterable<string>): Generator<Uint8Array, void, undefined> {
  let ready: Uint8Array[] = [];
  const zip = new Zip((error, bytes) => {
    if (error) throw error;
    ready.push(bytes);
  });
  const entry = new ZipDeflate(name, { level: 6 });
  zip.add(entry);
  const encoder = new TextEncoder();
  for (const piece of text) {
    entry.push(encoder.encode(piece));
    yield* ready;
    ready = [];
  }
  entry.push(new Uint8Array(0), true);
  zip.end();
  yield* ready;
}

/**
 * Writes results as COCO's evaluation server takes them: `detections_TESTSET_ALGORITHM_results.zip` with the JSON file of the same
 * name in it.
 *
 * @param folder where the zip goes; must exist
 * @param results detections with COCO's category ids (not labels) and boxes `x, y, width, height` in source pixels
 * @param options algorithm, test set (default "test-dev2017"), decimals of boxes (default 2) and of scores (default 5)
 * @returns the zip's path
 * @throws ConfigError on a name that the server would not take; DatasetError when a number is not finite or the zip cannot be written
 * @example await writeSubmission("out", results, { algorithm: "caddet" }) // "out/detections_test-dev2017_caddet_results.zip"
 */
export async function writeSubmission(
  folder: string,
  results: CocoResults,
  { algorithm, testSet, ...format }: SubmissionName & FormatResultsOptions,
): Promise<string> {
  const name = submissionName({ algorithm, testSet });
  const file = join(folder, `${name}.zip`);
  await writeText(file, zipped(`${name}.json`, formatResults(results, format)));
  return file;
}

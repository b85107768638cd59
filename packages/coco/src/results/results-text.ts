// The text of a results file for COCO's evaluation server, and what the server wants it to be called. Pure; results-file.ts writes it.
// Field order and types follow https://cocodataset.org/#format-results, which advises to round boxes to a tenth of a pixel. Nobody asks
// for a precision of scores: pycocotools and the server read any, mmdetection and detectron2 write every digit, Ultralytics writes
// boxes to 3 and scores to 5 decimals.
import { ConfigError, DatasetError } from "@caddet/core/base";
import type { CocoResults } from "./results";

/** How results are written. */
export interface FormatResultsOptions {
  /** Most decimals of box coordinates, 0 to 15. Default 2; COCO advises 1, which can cost a small box some IoU. */
  readonly boxDecimals?: number;
  /** Most decimals of scores, 0 to 15. Default 5; fewer make ties, which change the order of detections. */
  readonly scoreDecimals?: number;
}

// Text is handed on in pieces of about this many characters.
const PIECE = 1 << 16;

function rounder(name: string, decimals: number): (value: number) => string {
  if (!Number.isInteger(decimals) || decimals < 0 || decimals > 15) {
    throw new ConfigError(`${name} is an integer from 0 to 15, got ${decimals}.`, { option: name });
  }
  // Via a number again: no trailing zeros, integers as integers, and -0 as 0. Large values keep their digits.
  return (value) => String(Number(value.toFixed(decimals)) + 0);
}

/**
 * The text of a results file: a JSON list of `{"image_id", "category_id", "bbox", "score"}`, in this order, without white space.
 *
 * @param results detections with COCO's category ids (not labels) and boxes `x, y, width, height` in source pixels
 * @param options decimals of boxes (default 2) and of scores (default 5)
 * @returns pieces of text, so that no string holds a whole file
 * @throws ConfigError on a number of decimals out of range; DatasetError at an id that is no integer or a number that is not finite
 * @example [...formatResults(results)].join("") // [{"image_id":42,"category_id":18,"bbox":[258.15,41.29,348.26,243.78],"score":0.23605}]
 */
export function* formatResults(
  { imageIds, categoryIds, boxes, scores }: CocoResults,
  { boxDecimals = 2, scoreDecimals = 5 }: FormatResultsOptions = {},
): Generator<string, void, undefined> {
  const box = rounder("boxDecimals", boxDecimals);
  const score = rounder("scoreDecimals", scoreDecimals);
  let text = "[";
  for (let n = 0; n < scores.length; n++) {
    const numbers = [boxes[n * 4]!, boxes[n * 4 + 1]!, boxes[n * 4 + 2]!, boxes[n * 4 + 3]!];
    const ids = [imageIds[n]!, categoryIds[n]!];
    if (!ids.every(Number.isSafeInteger) || !numbers.every(Number.isFinite) || !Number.isFinite(scores[n])) {
      const message = `Detection ${n} of image ${ids[0]}, category ${ids[1]}, box [${numbers}], score ${scores[n]} cannot be written: ids must be integers and numbers finite.`;
      throw new DatasetError(message, { entry: n, imageId: ids[0] });
    }
    text += `${n === 0 ? "" : ","}{"image_id":${ids[0]},"category_id":${ids[1]},"bbox":[${numbers.map(box)}],"score":${score(scores[n]!)}}`;
    if (text.length >= PIECE) {
      yield text;
      text = "";
    }
  }
  yield `${text}]`;
}

/** What a submission is called. */
export interface SubmissionName {
  /** Your algorithm: letters, digits, "-" and ".". */
  readonly algorithm: string;
  /** Default "test-dev2017"; the server takes "val2017" for a trial, too. */
  readonly testSet?: string;
}

/**
 * The name that the evaluation server wants: `detections_TESTSET_ALGORITHM_results.json`, in a zip of the same name.
 *
 * @param name algorithm and test set (default "test-dev2017")
 * @returns the file's name without its ending, e.g. "detections_test-dev2017_caddet_results"
 * @throws ConfigError when a part has other characters, "_" included, since it parts the name
 * @example submissionName({ algorithm: "caddet" }) // "detections_test-dev2017_caddet_results"
 */
export function submissionName({ algorithm, testSet = "test-dev2017" }: SubmissionName): string {
  for (const part of [testSet, algorithm]) {
    if (!/^[A-Za-z0-9][A-Za-z0-9.-]*$/.test(part)) {
      throw new ConfigError(`A submission is named by letters, digits, "-" and ".", got ${JSON.stringify(part)}.`);
    }
  }
  return `detections_${testSet}_${algorithm}_results`;
}

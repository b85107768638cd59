// An annotation file of the size and the looks of instances_train2017.json, made from a seed: the official file's key order and
// separators, polygons with two decimals, about one crowd with a run-length code in a hundred. It only has to be read, not learnt from.
import { once } from "node:events";
import { createWriteStream } from "node:fs";
import { finished } from "node:stream/promises";
import { createRandom } from "@caddet/core/base";

/** How large the file is. */
export interface InstancesFileSize {
  readonly images: number;
  readonly annotations: number;
}

export const TRAIN2017: InstancesFileSize = { images: 118_287, annotations: 860_001 };

const CLASSES = 80;
const PIECE = 2000;

function* entries({ images, annotations }: InstancesFileSize, seed: number): Generator<string> {
  const random = createRandom(seed);
  const below = (n: number) => Math.floor(random.next() * n);
  const number = (max: number) => (random.next() * max).toFixed(2).replace(/\.?0+$/, "");
  const imageId = (n: number) => 9 + n * 4;
  yield '{"info": {"description": "generated", "url": "http://cocodataset.org", "version": "1.0", "year": 2017},"licenses": [],"images": [';
  for (let n = 0; n < images; n++) {
    const name = `${String(imageId(n)).padStart(12, "0")}.jpg`;
    const url = `http://images.cocodataset.org/train2017/${name}`;
    const flickr = `http://farm${below(9)}.staticflickr.com/${below(9000)}/${below(1e9)}_${below(1e9)}_z.jpg`;
    yield `${n > 0 ? "," : ""}{"license": ${1 + below(8)},"file_name": "${name}","coco_url": "${url}","height": 480,"width": 640,"date_captured": "2013-11-14 16:28:13","flickr_url": "${flickr}","id": ${imageId(n)}}`;
  }
  yield '],"annotations": [';
  for (let n = 0; n < annotations; n++) {
    const crowd = below(100) === 0;
    const [w, h] = [1 + below(300), 1 + below(300)];
    const box = `${number(639 - w)},${number(479 - h)},${w},${h}`;
    const polygons = Array.from({ length: below(6) === 0 ? 2 : 1 }, () =>
      Array.from({ length: 6 + 2 * below(42) }, () => number(640)).join(","),
    );
    const counts = Array.from({ length: 60 }, () => below(4000)).join(",");
    const outline = crowd ? `{"counts": [${counts}],"size": [480,640]}` : `[[${polygons.join("],[")}]]`;
    const id = crowd ? 900_100_000_000 + n : 1 + n * 2;
    yield `${n > 0 ? "," : ""}{"segmentation": ${outline},"area": ${number(w * h)},"iscrowd": ${crowd ? 1 : 0},"image_id": ${imageId(below(images))},"bbox": [${box}],"category_id": ${1 + below(CLASSES)},"id": ${id}}`;
  }
  const classes = Array.from(
    { length: CLASSES },
    (_, k) => `{"supercategory": "thing","id": ${k + 1},"name": "class ${k + 1}"}`,
  );
  yield `],"categories": [${classes.join(",")}]}`;
}

/**
 * Writes the file.
 *
 * @param file its path
 * @param options size and seed
 * @example await writeInstancesFile("instances.json", { ...TRAIN2017, seed: 1 })
 */
export async function writeInstancesFile(file: string, options: InstancesFileSize & { seed: number }): Promise<void> {
  const stream = createWriteStream(file);
  let piece: string[] = [];
  const flush = async () => {
    if (!stream.write(piece.join(""))) await once(stream, "drain");
    piece = [];
  };
  for (const entry of entries(options, options.seed)) if (piece.push(entry) === PIECE) await flush();
  await flush();
  stream.end();
  await finished(stream);
}

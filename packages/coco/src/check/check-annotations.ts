// What can be wrong with a split by its annotations alone, beyond the entries that parsing leaves out. Pure; check-dataset.ts adds the
// images.

import { type CocoDataset, indexByImage } from "../dataset/dataset";
import { datasetStatistics } from "../dataset/dataset-statistics";
import type { Finding, Ledger } from "./check-findings";

// A class with fewer boxes can hardly be learnt or measured; COCO's val2017 has one with 9.
const RARE = 10;

type Place = Pick<Finding, "file" | "imageId" | "annotationId">;

/** Adds what the columns of a split show: odd ids, names that occur twice, crowds, areas, images and classes without boxes. */
export function checkAnnotations(dataset: CocoDataset, split: string, ledger: Ledger): void {
  const { images, annotations, categories } = dataset;
  const add = (reason: Finding["reason"], message: string, place: Place = {}) =>
    ledger.add({ reason, split, message, ...place });

  const imageOfName = new Map<string, number>();
  images.fileNames.forEach((file, i) => {
    const imageId = images.ids[i]!;
    const other = imageOfName.get(file);
    if (other === undefined) imageOfName.set(file, imageId);
    else add("file-name-duplicate", `images ${other} and ${imageId} have the same file ${file}`, { file, imageId });
    if (imageId < 0) add("negative-id", `image ${imageId} has a negative id`, { file, imageId });
  });
  categories.ids.forEach((id, k) => {
    if (id < 0) add("negative-id", `category ${id} has a negative id`);
    const first = categories.names.indexOf(categories.names[k]!);
    if (first === k) return;
    const name = JSON.stringify(categories.names[k]);
    add("class-name-duplicate", `categories ${categories.ids[first]} and ${id} have the same name ${name}`);
  });

  annotations.ids.forEach((annotationId, row) => {
    const image = annotations.imageIndex[row]!;
    const place = { file: images.fileNames[image]!, imageId: images.ids[image]!, annotationId };
    const which = `annotation ${annotationId} of image ${place.imageId}`;
    if (annotationId < 0) add("negative-id", `${which} has a negative id`, place);
    if (annotationId === 0) add("annotation-id-zero", `${which}: pycocotools takes a match with id 0 for none`, place);
    if (annotations.iscrowd[row] === 1) add("crowd", `${which} is a crowd`, place);
    const area = annotations.area[row]!;
    if (!(area > 0)) add("area-not-positive", `${which} has the area ${area}; training leaves it out`, place);
  });

  const { start } = indexByImage(dataset);
  images.ids.forEach((imageId, i) => {
    if (start[i] !== start[i + 1]) return;
    add("image-without-annotations", `image ${imageId} has no annotations`, { file: images.fileNames[i]!, imageId });
  });
  for (const { name, categoryId, boxes } of datasetStatistics(dataset).perClass) {
    const which = `the class ${JSON.stringify(name)} (id ${categoryId})`;
    if (boxes === 0) add("class-empty", `${which} has no boxes`);
    else if (boxes < RARE) add("class-rare", `${which} has ${boxes} box${boxes === 1 ? "" : "es"}`);
  }
}

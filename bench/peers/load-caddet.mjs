// One contestant of coco-load: reads one file with the built @caddet/coco and says how many entries it has.
// node load-caddet.mjs PATH_OF_DIST/node.js annotations|polygons|results FILE
const [dist, what, file] = process.argv.slice(2);
const { loadAnnotations, loadResults } = await import(dist);
const count =
  what === "results"
    ? (await loadResults(file)).scores.length
    : (await loadAnnotations(file, { onBadEntry: "keep", segmentation: what === "polygons" })).annotations.ids.length;
process.stdout.write(String(count));

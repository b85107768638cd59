// UnsortedSegmentSum: the gradient of a gather. tfjs's wasm backend lacks it.
import { UnsortedSegmentSum } from "@tensorflow/tfjs-core";
import { expectShape } from "./geometry";
import { addressOf, inputOf, makeOutput, sizeOf, wasmKernel } from "./heap";

/** `x [...ids, ...rest]`, `segmentIds` int32 → `[numSegments, ...rest]`; rows with an id out of range are dropped. */
export const unsortedSegmentSumKernel = wasmKernel(UnsortedSegmentSum, (heap, inputs, attrs) => {
  const x = inputOf(UnsortedSegmentSum, inputs, "x");
  const ids = inputOf(UnsortedSegmentSum, inputs, "segmentIds", "int32");
  const segments = attrs.numSegments as number;
  expectShape(UnsortedSegmentSum, "segmentIds", ids, x.shape.slice(0, ids.shape.length));
  const rest = x.shape.slice(ids.shape.length);
  const out = makeOutput(heap, [segments, ...rest]);
  heap.exports.segmentSum(
    addressOf(heap, x),
    addressOf(heap, ids),
    addressOf(heap, out),
    sizeOf(ids.shape),
    sizeOf(rest),
    segments,
  );
  return out;
});

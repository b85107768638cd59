// Sigmoid focal loss with its gradient in one pass: a kernel of our own.
import { expectShape } from "./geometry";
import { addressOf, inputOf, makeOutput, wasmKernel, withScratch } from "./heap";

/**
 * Inputs `logits [N, C]`, `labels [N]` int32 (outside 0 .. C-1 means background); attributes `alpha`, `gamma` →
 * `loss [N]`, summed over the classes, and `gradient [N, C]` of each row's loss by its logits.
 */
export const FOCAL_LOSS = "CaddetFocalLoss";

export const focalLossKernel = wasmKernel(FOCAL_LOSS, (heap, inputs, attrs) => {
  const logits = inputOf(FOCAL_LOSS, inputs, "logits");
  const labels = inputOf(FOCAL_LOSS, inputs, "labels", "int32");
  const [rows = 0, classes = 0] = logits.shape;
  expectShape(FOCAL_LOSS, "logits", logits, [rows, classes]);
  expectShape(FOCAL_LOSS, "labels", labels, [rows]);
  const loss = makeOutput(heap, [rows]);
  const gradient = makeOutput(heap, [rows, classes]);
  const { exports } = heap;
  withScratch(heap, exports.FOCAL_SCRATCH.value, (scratch) =>
    exports.focalLoss(
      addressOf(heap, logits),
      addressOf(heap, labels),
      addressOf(heap, loss),
      addressOf(heap, gradient),
      rows,
      classes,
      attrs.alpha as number,
      attrs.gamma as number,
      scratch,
    ),
  );
  return [loss, gradient];
});

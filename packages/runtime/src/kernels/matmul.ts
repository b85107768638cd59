// BatchMatMul, either operand transposed, batches broadcast. tfjs's wasm backend leaves its fast path as soon as an operand
// is transposed, and mistakes the batch size where both sides broadcast.
import { BatchMatMul, broadcast_util } from "@tensorflow/tfjs-core";
import { RuntimeError } from "../errors";
import { addressOf, inputOf, makeOutput, replacement, sizeOf, withScratch } from "./heap";

/** Below so many rows of C, packing B costs more than the product. */
const FEWEST_ROWS = 5;

/** `a [..., m, k]` (or `[..., k, m]`) times `b [..., k, n]` (or `[..., n, k]`) → `[..., m, n]`. */
export const batchMatMulKernel = replacement(BatchMatMul, (heap, inputs, attrs) => {
  const a = inputOf(BatchMatMul, inputs, "a");
  const b = inputOf(BatchMatMul, inputs, "b");
  const transposeA = Boolean(attrs.transposeA);
  const transposeB = Boolean(attrs.transposeB);
  const outerA = a.shape.slice(0, -2);
  const outerB = b.shape.slice(0, -2);
  const [a0, a1] = a.shape.slice(-2) as [number, number];
  const [b0, b1] = b.shape.slice(-2) as [number, number];
  const [m, k] = transposeA ? [a1, a0] : [a0, a1];
  const [n, innerB] = transposeB ? [b0, b1] : [b1, b0];
  if (k !== innerB) {
    throw new RuntimeError(
      "kernel-input",
      `BatchMatMul got [${a.shape}] and [${b.shape}] with transposeA=${transposeA}, transposeB=${transposeB}; ` +
        `expected equal inner sizes, not ${k} and ${innerB}. Transpose or reshape one of them.`,
    );
  }
  const simple = String(outerA) === String(outerB) || sizeOf(outerA) === 1 || sizeOf(outerB) === 1;
  if (simple && !transposeA && !transposeB && m < FEWEST_ROWS) return undefined;

  const outer = broadcast_util.assertAndGetBroadcastShape(outerA, outerB);
  const out = makeOutput(heap, [...outer, m, n]);
  const { exports } = heap;
  const [aAt, bAt, outAt] = [addressOf(heap, a), addressOf(heap, b), addressOf(heap, out)];
  if (k === 0) {
    exports.fill(outAt, sizeOf(out.shape), 0);
    return out;
  }
  const batch = sizeOf(outer);
  const matrixOfA = batchOffsets(outerA, outer);
  const matrixOfB = batchOffsets(outerB, outer);
  withScratch(heap, exports.matMulScratch(m, n, k, Number(transposeA)), (scratch) => {
    for (let i = 0; i < batch; i++) {
      const left = aAt + matrixOfA(i) * m * k * 4;
      const right = bAt + matrixOfB(i) * k * n * 4;
      const to = outAt + i * m * n * 4;
      exports.matMul(left, right, to, m, n, k, Number(transposeA), Number(transposeB), scratch);
    }
  });
  return out;
});

/** Which matrix of an operand with batch shape `own` belongs to the i-th of the broadcast batch `outer`. */
function batchOffsets(own: readonly number[], outer: readonly number[]): (index: number) => number {
  const strides: number[] = new Array(outer.length).fill(0);
  let stride = 1;
  for (let axis = own.length - 1; axis >= 0; axis--) {
    const size = own[axis]!;
    strides[axis + outer.length - own.length] = size === 1 ? 0 : stride;
    stride *= size;
  }
  return (index) => {
    let offset = 0;
    let rest = index;
    for (let axis = outer.length - 1; axis >= 0; axis--) {
      offset += (rest % outer[axis]!) * strides[axis]!;
      rest = Math.floor(rest / outer[axis]!);
    }
    return offset;
  };
}

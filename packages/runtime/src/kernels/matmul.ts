// BatchMatMul. tfjs's wasm backend leaves its fast path as soon as an operand is transposed; those are ours, and what is
// left goes to it.
import { BatchMatMul, broadcast_util, getKernel, type KernelConfig } from "@tensorflow/tfjs-core";
import { RuntimeError } from "../errors";
import { addressOf, heapOf, inputOf, makeOutput, sizeOf, withScratch } from "./heap";

/** `a [..., m, k]` (or `[..., k, m]`) times `b [..., k, n]` (or `[..., n, k]`) → `[..., m, n]`, batches broadcast. */
export function batchMatMulKernel(): KernelConfig {
  const original = getKernel(BatchMatMul, "wasm");
  return {
    kernelName: BatchMatMul,
    backendName: "wasm",
    ...(original?.setupFunc && { setupFunc: original.setupFunc }),
    kernelFunc: (call) => {
      const { inputs, attrs } = call;
      const transposeA = Boolean(attrs?.transposeA);
      const transposeB = Boolean(attrs?.transposeB);
      const a = inputOf(BatchMatMul, inputs, "a");
      const b = inputOf(BatchMatMul, inputs, "b");
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
      // tfjs's own also mistakes the batch size where both sides broadcast.
      const simple = String(outerA) === String(outerB) || sizeOf(outerA) === 1 || sizeOf(outerB) === 1;
      if (original && simple && !transposeA && !transposeB) return original.kernelFunc(call);
      const heap = heapOf(call.backend as object);
      const outer = broadcast_util.assertAndGetBroadcastShape(outerA, outerB);
      const out = makeOutput(heap, [...outer, m, n]);
      const { exports } = heap;
      const [aAt, bAt, outAt] = [addressOf(heap, a), addressOf(heap, b), addressOf(heap, out)];
      if (k === 0) {
        exports.fill(outAt, sizeOf(out.shape), 0);
        return out;
      }
      const batch = sizeOf(outer);
      const matrixA = batchOffsets(outerA, outer);
      const matrixB = batchOffsets(outerB, outer);
      withScratch(heap, exports.matMulScratch(m, n, k, Number(transposeA)), (scratch) => {
        for (let i = 0; i < batch; i++) {
          const from = aAt + matrixA(i) * m * k * 4;
          const with_ = bAt + matrixB(i) * k * n * 4;
          const to = outAt + i * m * n * 4;
          exports.matMul(from, with_, to, m, n, k, Number(transposeA), Number(transposeB), scratch);
        }
      });
      return out;
    },
  };
}

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

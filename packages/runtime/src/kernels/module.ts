// The compiled kernel module: which of its two builds runs here, and its instantiation on a memory that tfjs owns. The
// exports are those of assembly/index.ts; all arguments are int32 (addresses included), float32 or booleans as 0 and 1.

import { RuntimeError } from "../errors";
import { RELAXED_SIMD_KERNELS, SIMD_KERNELS } from "../generated/kernels";

type Scratch = (geometry: number) => number;
type Convolution = (geometry: number, a: number, b: number, out: number, scratch: number) => void;

type Resize = (
  input: number,
  out: number,
  batch: number,
  inHeight: number,
  inWidth: number,
  channels: number,
  outHeight: number,
  outWidth: number,
  scaleY: number,
  offsetY: number,
  scaleX: number,
  offsetX: number,
) => void;
type Pool = (
  input: number,
  out: number,
  batch: number,
  height: number,
  width: number,
  channels: number,
  bins: number,
) => void;

/** Functions of the kernel module. */
export interface KernelExports {
  conv2dScratch: Scratch;
  conv2dBackpropInputScratch: Scratch;
  conv2dBackpropFilterScratch: Scratch;
  conv2d: Convolution;
  conv2dBackpropInput: Convolution;
  conv2dBackpropFilter: Convolution;
  readonly DEPTHWISE_SCRATCH: WebAssembly.Global;
  readonly DEPTHWISE_FILTER_SCRATCH: WebAssembly.Global;
  readonly FOCAL_SCRATCH: WebAssembly.Global;
  depthwise: Convolution;
  depthwiseBackpropInput: Convolution;
  depthwiseBackpropFilter: Convolution;
  sepConvScratch: Scratch;
  sepConv(
    geometry: number,
    x: number,
    depthwise: number,
    pointwise: number,
    bias: number,
    residual: number,
    y: number,
    floor: number,
    scratch: number,
  ): void;
  multiplierBackpropInput(geometry: number, dy: number, filter: number, out: number): void;
  multiplierBackpropFilter(geometry: number, x: number, dy: number, out: number): void;
  fill(to: number, count: number, value: number): void;
  segmentSum(x: number, ids: number, out: number, rows: number, size: number, segments: number): void;
  normScratch(channels: number): number;
  norm(
    x: number,
    scale: number,
    offset: number,
    residual: number,
    y: number,
    mean: number,
    variance: number,
    images: number,
    rows: number,
    channels: number,
    groups: number,
    epsilon: number,
    relu: number,
    scratch: number,
  ): void;
  normGrad(
    dy: number,
    x: number,
    y: number,
    scale: number,
    offset: number,
    mean: number,
    variance: number,
    dx: number,
    dscale: number,
    doffset: number,
    dresidual: number,
    images: number,
    rows: number,
    channels: number,
    groups: number,
    epsilon: number,
    relu: number,
    scratch: number,
  ): void;
  gatedSum(gates: number, paths: number, count: number, out: number, images: number, size: number): void;
  gatedSumGrad(
    dy: number,
    gates: number,
    paths: number,
    dpaths: number,
    count: number,
    dgates: number,
    images: number,
    size: number,
  ): void;
  sgd(
    parameter: number,
    gradient: number,
    momentum: number,
    nextParameter: number,
    nextMomentum: number,
    size: number,
    gradientScale: number,
    learningRate: number,
    friction: number,
    weightDecay: number,
  ): void;
  adamW(
    parameter: number,
    gradient: number,
    mean: number,
    square: number,
    nextParameter: number,
    nextMean: number,
    nextSquare: number,
    size: number,
    gradientScale: number,
    rate: number,
    beta1: number,
    beta2: number,
    spread: number,
    epsilon: number,
    shrink: number,
  ): void;
  sumOfSquares(x: number, size: number): number;
  mix(a: number, b: number, out: number, size: number, weightOfA: number, weightOfB: number): void;
  focalLoss(
    logits: number,
    labels: number,
    loss: number,
    gradient: number,
    rows: number,
    classes: number,
    alpha: number,
    gamma: number,
    scratch: number,
  ): void;
  biasAndClamp(y: number, bias: number, rows: number, channels: number, floor: number, ceiling: number): void;
  columnSumsScratch(channels: number): number;
  columnSums(
    x: number,
    outer: number,
    rows: number,
    channels: number,
    out: number,
    factor: number,
    scratch: number,
  ): void;
  rowSums(x: number, rows: number, size: number, out: number, factor: number): void;
  resizeBilinearGrad: Resize;
  adaptivePool: Pool;
  adaptivePoolGrad: Pool;
  gatherSlices(
    x: number,
    ids: number,
    out: number,
    outer: number,
    dimension: number,
    count: number,
    size: number,
  ): void;
  repeatSlices(x: number, out: number, outer: number, size: number, repeats: number): void;
  extremum(a: number, b: number, out: number, size: number, single: number, larger: number): void;
  matMulScratch(m: number, n: number, k: number, transposeA: number): number;
  matMul(
    a: number,
    b: number,
    c: number,
    m: number,
    n: number,
    k: number,
    transposeA: number,
    transposeB: number,
    scratch: number,
  ): void;
}

/** Which build of the kernels runs: fused multiply-add, or plain SIMD. */
export type KernelBuild = "relaxed-simd" | "simd";

function decode(base64: string): Uint8Array<ArrayBuffer> {
  return Uint8Array.from(atob(base64), (character) => character.charCodeAt(0));
}

/**
 * The build that this JavaScript engine accepts.
 *
 * @throws RuntimeError `simd-missing` where it accepts neither
 */
export function kernelBuild(): KernelBuild {
  if (WebAssembly.validate(decode(RELAXED_SIMD_KERNELS))) return "relaxed-simd";
  if (WebAssembly.validate(decode(SIMD_KERNELS))) return "simd";
  throw new RuntimeError(
    "simd-missing",
    "This JavaScript engine has no WebAssembly SIMD; the wasm kernels need it. Use a newer engine or another backend.",
  );
}

/** Byte offset of the limits' flags in the import section. */
function memoryFlagsOffset(binary: Uint8Array): number {
  const name = [..."memory"].map((character) => character.charCodeAt(0));
  const at = binary.findIndex((_, index) => name.every((code, offset) => binary[index + offset] === code));
  // After the field's name comes the kind of the import (2, a memory), then the flags.
  return at + name.length + 1;
}

/**
 * Instantiates the kernels on a memory.
 *
 * @param memory the heap; shared where the backend threads
 * @param build which build to use, by default the one that runs here
 * @returns its exports
 * @throws RuntimeError `simd-missing` where WebAssembly has no SIMD
 */
export function instantiateKernels(memory: WebAssembly.Memory, build: KernelBuild = kernelBuild()): KernelExports {
  const binary = decode(build === "relaxed-simd" ? RELAXED_SIMD_KERNELS : SIMD_KERNELS);
  // 1: has a maximum. 3: that, and shared.
  if (!(memory.buffer instanceof ArrayBuffer)) binary[memoryFlagsOffset(binary)] = 3;
  const instance = new WebAssembly.Instance(new WebAssembly.Module(binary), { env: { memory } });
  return instance.exports as unknown as KernelExports;
}

// Batch and group normalisation in training, with activation, residual and gradient, as two WGSL programs each way. Same meaning as the
// WebAssembly kernels. The first program reduces chunks of rows, channel by channel; the second joins the chunks and goes over the values.
// The spread of a chunk is taken about the chunk's own mean, so that a large mean costs no digits.
import type { NamedAttrMap, NamedTensorInfoMap, TensorInfo } from "@tensorflow/tfjs-core";
import { expectShape } from "../geometry";
import { inputOf } from "../heap";
import {
  BATCH_NORM,
  BATCH_NORM_GRAD,
  batchLayout,
  GROUP_NORM,
  GROUP_NORM_GRAD,
  groupLayout,
  isRelu,
  type Layout,
  LEAN_BATCH_NORM,
  LEAN_BATCH_NORM_GRAD,
} from "../normalisation";
import { type Groups, type Program, THREADS, type Webgpu, webgpuKernel } from "./program";
import { SUM_LANES } from "./sums";

// Rows of a chunk and of a second program's workgroup, at least; and chunks and such workgroups of an image, at most.
const FEWEST_ROWS = 64;
const MOST_CHUNKS = 64;
const MOST_BLOCKS = 1024;
// Neighbouring channels that a workgroup takes: reads of 128 bytes.
const WIDEST_TILE = 32;

const sizes = { rows: "u32", channels: "u32", perGroup: "u32", tile: "u32", chunkRows: "u32", chunks: "u32" } as const;
const apply = { ...sizes, images: "u32", blockRows: "u32" } as const;

// A thread's channel `c` of image `group.z`, and its lane.
const PLACE = `
  let lane = local / u.tile;
  let lanes = ${THREADS}u / u.tile;
  let c = group.x * u.tile + local % u.tile;
  let inside = c < u.channels;
  let base = group.z * u.rows * u.channels + c;
`;
const CHUNK = `
  let first = group.y * u.chunkRows;
  let last = min(u.rows, first + u.chunkRows);
  let at = ((group.z * u.chunks + group.y) * u.channels + c) * 2u;
`;
const BLOCK = `
  let first = group.y * u.blockRows;
  let last = min(u.rows, first + u.blockRows);
  let items = u.perGroup * u.chunks;
  let start = c / u.perGroup * u.perGroup;
  let count = f32(u.rows) * f32(u.perGroup);
`;
const rowsOfThread = (body: string) => `if (inside) {
  for (var r = first + lane; r < last; r += lanes) { let i = base + r * u.channels; ${body} }
}`;
// Over the chunks of all channels in the thread's group, `p` their place.
const itemsOfGroup = (body: string) => `if (inside) {
  for (var item = lane; item < items; item += lanes) {
    let chunk = item / u.perGroup;
    let channel = start + item % u.perGroup;
    let p = ((group.z * u.chunks + chunk) * u.channels + channel) * 2u;
    ${body}
  }
}`;

const moments: Program = {
  name: "norm-moments",
  inputs: ["x"],
  outputs: ["parts"],
  uniforms: sizes,
  functions: SUM_LANES,
  main: `${PLACE} ${CHUNK}
    var origin = 0.0;
    if (inside) { origin = f32(x[base + first * u.channels]); }
    var sum = 0.0;
    ${rowsOfThread("sum += f32(x[i]) - origin;")}
    let average = origin + sumLanes(local, u.tile, sum) / f32(last - first);
    var squares = 0.0;
    ${rowsOfThread("let d = f32(x[i]) - average; squares += d * d;")}
    let spread = sumLanes(local, u.tile, squares);
    if (inside && lane == 0u) { parts[at] = average; parts[at + 1u] = spread; }
  `,
};

const normalise = (residual: boolean, relu: boolean): Program => ({
  name: `norm${residual ? "-residual" : ""}${relu ? "-relu" : ""}`,
  inputs: ["x", "scale", "offset", "parts", ...(residual ? ["residual"] : [])],
  outputs: ["y", "average", "variance"],
  uniforms: { ...apply, epsilon: "f32" },
  functions: `${SUM_LANES}
    fn rowsIn(chunk: u32) -> f32 { return f32(min(u.chunkRows, u.rows - chunk * u.chunkRows)); }
  `,
  main: `${PLACE} ${BLOCK}
    var origin = 0.0;
    if (inside) { origin = parts[(group.z * u.chunks * u.channels + start) * 2u]; }
    var shift = 0.0;
    ${itemsOfGroup("shift += rowsIn(chunk) * (parts[p] - origin);")}
    let m = origin + sumLanes(local, u.tile, shift) / count;
    var squares = 0.0;
    ${itemsOfGroup("let d = parts[p] - m; squares += parts[p + 1u] + rowsIn(chunk) * d * d;")}
    let v = sumLanes(local, u.tile, squares) / count;
    if (inside && lane == 0u && group.y == 0u && c == start) {
      let g = (group.z * u.channels + c) / u.perGroup;
      average[g] = m;
      variance[g] = v;
    }
    var factor = 0.0;
    var bias = 0.0;
    if (inside) { factor = f32(scale[c]) / sqrt(v + u.epsilon); bias = f32(offset[c]); }
    ${rowsOfThread(`
      let value = (f32(x[i]) - m) * factor + bias${residual ? " + f32(residual[i])" : ""};
      y[i] = ${relu ? "select(value, 0.0, value < 0.0)" : "value"};
    `)}
  `,
});

// Values that `sums` leaves for `spread` per channel of an image: mean, inverse deviation, scale, and with the mask "offset" the factor.
const HEAD = 4;

// What a gradient is masked by: nothing, y, or what `normalise` computed without a residual, found again from `offset`, by the same
// expression.
type Mask = "none" | "y" | "offset";

const maskedGradient = (mask: Mask) => {
  if (mask === "none") return "f32(dy[i])";
  const value = mask === "y" ? "f32(y[i])" : "(f32(x[i]) - m) * factor + bias";
  return `select(0.0, f32(dy[i]), ${value} > 0.0)`;
};
const maskInput = (mask: Mask) => (mask === "none" ? [] : [mask]);

// Per chunk and channel the sums of the masked gradient and of its product with the normalised x; behind them, per channel of an image,
// what the second program needs of the statistics.
const sums = (mask: Mask, residual: boolean): Program => ({
  name: `norm-sums-${mask}${residual ? "-residual" : ""}`,
  inputs: ["dy", "x", "average", "variance", "scale", ...maskInput(mask)],
  outputs: ["parts", ...(residual ? ["dresidual"] : [])],
  uniforms: { ...sizes, head: "u32", epsilon: "f32" },
  functions: SUM_LANES,
  main: `${PLACE} ${CHUNK}
    var m = 0.0;
    var inverse = 0.0;
    ${mask === "offset" ? "var factor = 0.0;\n    var bias = 0.0;" : ""}
    if (inside) {
      let g = (group.z * u.channels + c) / u.perGroup;
      m = f32(average[g]);
      inverse = 1.0 / sqrt(f32(variance[g]) + u.epsilon);
      ${mask === "offset" ? "factor = f32(scale[c]) / sqrt(f32(variance[g]) + u.epsilon);\n      bias = f32(offset[c]);" : ""}
    }
    var sum = 0.0;
    var product = 0.0;
    ${rowsOfThread(`
      let d = ${maskedGradient(mask)};
      sum += d;
      product += d * (f32(x[i]) - m);
      ${residual ? "dresidual[i] = d;" : ""}
    `)}
    let total = sumLanes(local, u.tile, sum);
    let dot = sumLanes(local, u.tile, product) * inverse;
    if (inside && lane == 0u) {
      parts[at] = total;
      parts[at + 1u] = dot;
      if (group.y == 0u) {
        let h = u.head + (group.z * u.channels + c) * ${HEAD}u;
        parts[h] = m;
        parts[h + 1u] = inverse;
        parts[h + 2u] = f32(scale[c]);
        ${mask === "offset" ? "parts[h + 3u] = factor;" : ""}
      }
    }
  `,
});

const spread = (mask: Mask): Program => ({
  name: `norm-spread-${mask}`,
  inputs: ["dy", "x", "parts", ...maskInput(mask)],
  outputs: ["dx", "dscale", "doffset"],
  uniforms: { ...apply, head: "u32" },
  functions: SUM_LANES,
  main: `${PLACE} ${BLOCK}
    var sum = 0.0;
    var product = 0.0;
    ${itemsOfGroup(`
      let weight = parts[u.head + (group.z * u.channels + channel) * ${HEAD}u + 2u];
      sum += weight * parts[p];
      product += weight * parts[p + 1u];
    `)}
    let meanGradient = sumLanes(local, u.tile, sum) / count;
    let meanProduct = sumLanes(local, u.tile, product) / count;
    if (group.y == 0u && group.z == 0u) {
      var ofScale = 0.0;
      var ofOffset = 0.0;
      if (inside) {
        for (var item = lane; item < u.images * u.chunks; item += lanes) {
          let p = (item * u.channels + c) * 2u;
          ofOffset += parts[p];
          ofScale += parts[p + 1u];
        }
      }
      let allOffset = sumLanes(local, u.tile, ofOffset);
      let allScale = sumLanes(local, u.tile, ofScale);
      if (inside && lane == 0u) { dscale[c] = allScale; doffset[c] = allOffset; }
    }
    var m = 0.0;
    var inverse = 0.0;
    var weight = 0.0;
    ${mask === "offset" ? "var factor = 0.0;\n    var bias = 0.0;" : ""}
    if (inside) {
      let h = u.head + (group.z * u.channels + c) * ${HEAD}u;
      m = parts[h];
      inverse = parts[h + 1u];
      weight = parts[h + 2u];
      ${mask === "offset" ? "factor = parts[h + 3u];\n      bias = f32(offset[c]);" : ""}
    }
    ${rowsOfThread(`
      let d = ${maskedGradient(mask)};
      let normal = (f32(x[i]) - m) * inverse;
      dx[i] = inverse * (weight * d - meanGradient - normal * meanProduct);
    `)}
  `,
});

function plan({ images, rows, channels, groups }: Layout) {
  const tile = Math.min(WIDEST_TILE, 2 ** Math.ceil(Math.log2(channels)));
  const chunkRows = Math.max(FEWEST_ROWS, Math.ceil(rows / MOST_CHUNKS));
  const chunks = Math.ceil(rows / chunkRows);
  const blockRows = Math.max(FEWEST_ROWS, Math.ceil(rows / MOST_BLOCKS));
  const tiles = Math.ceil(channels / tile);
  return {
    uniforms: { images, rows, channels, perGroup: channels / groups, tile, chunkRows, chunks, blockRows },
    /** Values of all chunks. */
    parts: images * chunks * channels * 2,
    byChunk: [tiles, chunks, images] as Groups,
    byBlock: [tiles, Math.ceil(rows / blockRows), images] as Groups,
  };
}

function forward(gpu: Webgpu, kernel: string, inputs: NamedTensorInfoMap, attrs: NamedAttrMap, layout: Layout) {
  const [x, scale, offset] = ["x", "scale", "offset"].map((name) => inputOf(kernel, inputs, name)) as [
    TensorInfo,
    TensorInfo,
    TensorInfo,
  ];
  expectShape(kernel, "scale", scale, [layout.channels]);
  expectShape(kernel, "offset", offset, [layout.channels]);
  const residual = inputs.residual && inputOf(kernel, inputs, "residual");
  if (residual) expectShape(kernel, "residual", residual, x.shape);
  const relu = isRelu(kernel, attrs) === 1;
  const { uniforms, parts, byChunk, byBlock } = plan(layout);
  const chunks = gpu.scratch(parts);
  gpu.run(moments, { inputs: [x], outputs: [chunks], uniforms, groups: byChunk });
  const outputs = [gpu.output(x.shape), gpu.output(layout.statistics), gpu.output(layout.statistics)];
  gpu.run(normalise(residual !== undefined, relu), {
    inputs: [x, scale, offset, chunks, ...(residual ? [residual] : [])],
    outputs,
    uniforms: { ...uniforms, epsilon: attrs.epsilon as number },
    groups: byBlock,
  });
  return outputs;
}

function backward(
  gpu: Webgpu,
  kernel: string,
  inputs: NamedTensorInfoMap,
  attrs: NamedAttrMap,
  layout: Layout,
  masksBy: "y" | "offset" = "y",
) {
  const input = (name: string, shape: readonly number[]): TensorInfo => {
    const tensor = inputOf(kernel, inputs, name);
    expectShape(kernel, name, tensor, shape);
    return tensor;
  };
  const { channels, images, statistics } = layout;
  const x = inputOf(kernel, inputs, "x");
  const dy = input("dy", x.shape);
  const by = input(masksBy, masksBy === "y" ? x.shape : [channels]);
  const [mean, variance] = [input("mean", statistics), input("variance", statistics)];
  const scale = input("scale", [channels]);
  const mask: Mask = isRelu(kernel, attrs) === 1 ? masksBy : "none";
  const { uniforms, parts, byChunk, byBlock } = plan(layout);
  const chunks = gpu.scratch(parts + images * channels * HEAD);
  // Without a mask it is dy itself; with one, the second program takes it in place of dy and mask.
  const masked = mask !== "none" && attrs.residual ? gpu.output(x.shape) : undefined;
  const masks = mask === "none" ? [] : [by];
  gpu.run(sums(mask, masked !== undefined), {
    inputs: [dy, x, mean, variance, scale, ...masks],
    outputs: [chunks, ...(masked ? [masked] : [])],
    uniforms: { ...uniforms, head: parts, epsilon: attrs.epsilon as number },
    groups: byChunk,
  });
  const outputs = [gpu.output(x.shape), gpu.output([channels]), gpu.output([channels])];
  gpu.run(spread(masked ? "none" : mask), {
    inputs: masked ? [masked, x, chunks] : [dy, x, chunks, ...masks],
    outputs,
    uniforms: { ...uniforms, head: parts },
    groups: byBlock,
  });
  return attrs.residual ? [...outputs, masked ?? gpu.share(dy)] : outputs;
}

export const webgpuBatchNorm = webgpuKernel(BATCH_NORM, (gpu, inputs, attrs) =>
  forward(gpu, BATCH_NORM, inputs, attrs, batchLayout(inputOf(BATCH_NORM, inputs, "x"))),
);

export const webgpuBatchNormGrad = webgpuKernel(BATCH_NORM_GRAD, (gpu, inputs, attrs) =>
  backward(gpu, BATCH_NORM_GRAD, inputs, attrs, batchLayout(inputOf(BATCH_NORM_GRAD, inputs, "x"))),
);

export const webgpuLeanBatchNorm = webgpuKernel(LEAN_BATCH_NORM, (gpu, inputs, attrs) =>
  forward(gpu, LEAN_BATCH_NORM, inputs, attrs, batchLayout(inputOf(LEAN_BATCH_NORM, inputs, "x"))),
);

export const webgpuLeanBatchNormGrad = webgpuKernel(LEAN_BATCH_NORM_GRAD, (gpu, inputs, attrs) =>
  backward(gpu, LEAN_BATCH_NORM_GRAD, inputs, attrs, batchLayout(inputOf(LEAN_BATCH_NORM_GRAD, inputs, "x")), "offset"),
);

export const webgpuGroupNorm = webgpuKernel(GROUP_NORM, (gpu, inputs, attrs) =>
  forward(gpu, GROUP_NORM, inputs, attrs, groupLayout(GROUP_NORM, inputOf(GROUP_NORM, inputs, "x"), attrs)),
);

export const webgpuGroupNormGrad = webgpuKernel(GROUP_NORM_GRAD, (gpu, inputs, attrs) =>
  backward(
    gpu,
    GROUP_NORM_GRAD,
    inputs,
    attrs,
    groupLayout(GROUP_NORM_GRAD, inputOf(GROUP_NORM_GRAD, inputs, "x"), attrs),
  ),
);

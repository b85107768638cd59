// The sum of maps weighted by gates, and its gradient, as WGSL programs. A program binds as many maps as the device allows; more of them
// take further dispatches.
import type { NamedTensorInfoMap, TensorInfo } from "@tensorflow/tfjs-core";
import { GATED_SUM, GATED_SUM_GRAD, pathsOf } from "../gates";
import { expectShape } from "../geometry";
import { inputOf, sizeOf } from "../heap";
import { EACH, groupsFor, type Program, THREADS, webgpuKernel } from "./program";
import { SUM_LANES } from "./sums";

const named = (name: string, count: number) => Array.from({ length: count }, (_, k) => `${name}${k}`);
const gate = (k: number) => `f32(gates[(i / u.each) * u.paths + u.first + ${k}u])`;

// `each` values an image; the maps from `first` on, on top of a sum where there is one.
function sumOf(count: number, onTop: boolean): Program {
  const terms = named("x", count).map((x, k) => `${gate(k)} * f32(${x}[i])`);
  if (onTop) terms.unshift("f32(before[i])");
  return {
    name: `gated-sum-${count}${onTop ? "-on-top" : ""}`,
    inputs: ["gates", ...(onTop ? ["before"] : []), ...named("x", count)],
    outputs: ["sum"],
    uniforms: { size: "u32", each: "u32", paths: "u32", first: "u32" },
    main: `${EACH} { sum[i] = ${terms.join(" + ")}; }`,
  };
}

function operands(kernel: string, inputs: NamedTensorInfoMap) {
  const gates = inputOf(kernel, inputs, "gates");
  const maps = pathsOf(kernel, inputs, gates);
  const { shape } = maps[0]!;
  const size = sizeOf(shape);
  return { gates, maps, shape, size, images: shape[0] ?? 1, each: size / (shape[0] ?? 1) };
}

export const webgpuGatedSum = webgpuKernel(GATED_SUM, (gpu, inputs) => {
  const { gates, maps, shape, size, each } = operands(GATED_SUM, inputs);
  const paths = maps.length;
  let sum: TensorInfo | undefined;
  for (let first = 0; first < paths; ) {
    const part = maps.slice(first, first + gpu.mostArrays - (sum ? 3 : 2));
    const last = first + part.length === paths;
    const next = last ? gpu.output(shape) : gpu.scratch(size);
    gpu.run(sumOf(part.length, sum !== undefined), {
      inputs: [gates, ...(sum ? [sum] : []), ...part],
      outputs: [next],
      uniforms: { size, each, paths, first },
      groups: groupsFor(size),
    });
    sum = next;
    first += part.length;
  }
  return sum!;
});

const spreadOver = (count: number): Program => ({
  name: `gated-sum-spread-${count}`,
  inputs: ["dy", "gates"],
  outputs: named("dx", count),
  uniforms: { size: "u32", each: "u32", paths: "u32", first: "u32" },
  main: `${EACH} {
    let d = f32(dy[i]);
    ${named("dx", count)
      .map((dx, k) => `${dx}[i] = ${gate(k)} * d;`)
      .join("\n")}
  }`,
});

// Workgroup (x, y) sums the products of dy and each map over the x-th chunk of image y: sums[y, path, x].
const productsOf = (count: number): Program => ({
  name: `gated-sum-products-${count}`,
  inputs: ["dy", ...named("x", count)],
  outputs: ["sums"],
  uniforms: { each: "u32", paths: "u32", first: "u32" },
  functions: SUM_LANES,
  main: `
    ${named("s", count)
      .map((s) => `var ${s} = 0.0;`)
      .join(" ")}
    for (var i = group.x * ${THREADS}u + local; i < u.each; i += groups.x * ${THREADS}u) {
      let at = group.y * u.each + i;
      let d = f32(dy[at]);
      ${named("s", count)
        .map((s, k) => `${s} += d * f32(x${k}[at]);`)
        .join(" ")}
    }
    ${named("s", count)
      .map(
        (s, k) => `{
          let total = sumLanes(local, 1u, ${s});
          if (local == 0u) { sums[(group.y * u.paths + u.first + ${k}u) * groups.x + group.x] = total; }
        }`,
      )
      .join("\n")}
  `,
});

const rowSums: Program = {
  name: "row-sums",
  inputs: ["rows"],
  outputs: ["sums"],
  uniforms: { length: "u32" },
  functions: SUM_LANES,
  main: `
    var sum = 0.0;
    for (var i = local; i < u.length; i += ${THREADS}u) { sum += f32(rows[group.x * u.length + i]); }
    let total = sumLanes(local, 1u, sum);
    if (local == 0u) { sums[group.x] = total; }
  `,
};

// Values of an image that one workgroup sums.
const CHUNK = 16384;

export const webgpuGatedSumGrad = webgpuKernel(GATED_SUM_GRAD, (gpu, inputs) => {
  const { gates, maps, shape, size, images, each } = operands(GATED_SUM_GRAD, inputs);
  const dy = inputOf(GATED_SUM_GRAD, inputs, "dy");
  expectShape(GATED_SUM_GRAD, "dy", dy, shape);
  const paths = maps.length;
  const dgates = gpu.output(gates.shape);
  const dmaps = maps.map(() => gpu.output(shape));
  const chunks = Math.min(Math.ceil(each / CHUNK), 256);
  const sums = chunks === 1 ? dgates : gpu.scratch(images * paths * chunks);
  const most = gpu.mostArrays - 2;
  for (let first = 0; first < paths; first += most) {
    const part = maps.slice(first, first + most);
    gpu.run(spreadOver(part.length), {
      inputs: [dy, gates],
      outputs: dmaps.slice(first, first + most),
      uniforms: { size, each, paths, first },
      groups: groupsFor(size),
    });
    gpu.run(productsOf(part.length), {
      inputs: [dy, ...part],
      outputs: [sums],
      uniforms: { each, paths, first },
      groups: [chunks, images, 1],
    });
  }
  if (chunks > 1) {
    const rows = images * paths;
    gpu.run(rowSums, { inputs: [sums], outputs: [dgates], uniforms: { length: chunks }, groups: [rows, 1, 1] });
  }
  return [dgates, ...dmaps];
});

// The WebAssembly kernels of @caddet/runtime against the best composition of tfjs's own wasm kernels, on the network's own
// shapes: median milliseconds of interleaved runs after warm-up, one core, float32. The rate of tfjs's forward kernel on the
// same shape stands beside ours. Run alone: node --conditions=@caddet/source --import tsx bench/kernels.ts
import { pathToFileURL } from "node:url";
import "@tensorflow/tfjs-backend-wasm";
import { registerWasmKernels } from "@caddet/runtime";
import * as tf from "@tensorflow/tfjs-core";

/** One kernel at one shape. A rate is null where multiply-adds are no measure of the work. */
export interface BenchRow {
  name: string;
  shape: string;
  median_ms: number;
  peer: string;
  peer_ms: number;
  /** peer_ms / median_ms */
  ratio: number;
  gmadds_per_s: number | null;
  forward_gmadds_per_s: number | null;
}

type Run = () => tf.Tensor | tf.Tensor[];

interface Contest {
  name: string;
  shape: string;
  own: Run;
  /** Compositions out of tfjs's kernels; the fastest counts. */
  peers: Record<string, Run>;
  madds?: number;
  forward?: Run;
}

const RUNS = 9;
const WARM_UP = 1;
/** A sample repeats short runs for this long. */
const SAMPLE_MS = 4;

const [tfjsKernels, ownKernels] = [new Map<string, tf.KernelConfig>(), new Map<string, tf.KernelConfig>()];

function snapshot(into: Map<string, tf.KernelConfig>): void {
  for (const config of tf.getKernelsForBackend("wasm")) into.set(config.kernelName, config);
}

/** Puts the given kernels in the registry of the wasm backend. */
function use(kernels: Map<string, tf.KernelConfig>): void {
  for (const name of ownKernels.keys()) {
    const wanted = kernels.get(name);
    if (tf.getKernel(name, "wasm") === wanted) continue;
    if (tf.getKernel(name, "wasm")) tf.unregisterKernel(name, "wasm");
    if (wanted) tf.registerKernel(wanted);
  }
}

function sample(run: Run, repeats: number): number {
  const start = performance.now();
  for (let i = 0; i < repeats; i++) tf.tidy(() => void run());
  return (performance.now() - start) / repeats;
}

function median(values: number[]): number {
  return values.sort((a, b) => a - b)[values.length >> 1]!;
}

function measure(contest: Contest): BenchRow {
  const runs: { kernels: Map<string, tf.KernelConfig>; run: Run; times: number[]; repeats: number }[] = [];
  const add = (kernels: Map<string, tf.KernelConfig>, run: Run) => {
    use(kernels);
    for (let i = 0; i < WARM_UP; i++) sample(run, 1);
    const once = sample(run, 1);
    runs.push({ kernels, run, times: [], repeats: Math.min(200, Math.max(1, Math.ceil(SAMPLE_MS / once))) });
  };
  add(ownKernels, contest.own);
  const names = Object.keys(contest.peers);
  for (const name of names) add(tfjsKernels, contest.peers[name]!);
  if (contest.forward) add(tfjsKernels, contest.forward);
  for (let round = 0; round < RUNS; round++) {
    for (const entry of runs) {
      use(entry.kernels);
      entry.times.push(sample(entry.run, entry.repeats));
    }
  }
  use(ownKernels);
  const medians = runs.map(({ times }) => median(times));
  const [own, ...others] = medians as [number, ...number[]];
  const peerTimes = others.slice(0, names.length);
  const best = peerTimes.indexOf(Math.min(...peerTimes));
  const rate = (ms: number | undefined) => (contest.madds && ms ? round(contest.madds / ms / 1e6) : null);
  return {
    name: contest.name,
    shape: contest.shape,
    median_ms: round(own),
    peer: names[best] ?? "",
    peer_ms: round(peerTimes[best] ?? 0),
    ratio: round((peerTimes[best] ?? 0) / own),
    gmadds_per_s: rate(own),
    forward_gmadds_per_s: contest.forward ? rate(others.at(-1)) : null,
  };
}

function round(value: number): number {
  return Number(value.toPrecision(3));
}

function kernel(name: string, inputs: Record<string, tf.Tensor>, attrs: Record<string, unknown>): Run {
  return () => tf.engine().runKernel(name, inputs as tf.NamedTensorMap, attrs as tf.NamedAttrMap);
}

type Shape4 = [number, number, number, number];

/** Zeros between the pixels of dy, so that a stride-1 convolution stands for a stride-2 gradient. */
function spread(dy: tf.Tensor4D, height: number, width: number): tf.Tensor4D {
  const [b, h, w, c] = dy.shape;
  const columns = tf.pad(tf.reshape(dy, [b * h * w, 1, c]), [
    [0, 0],
    [0, 1],
    [0, 0],
  ]);
  const rows = tf.pad(tf.reshape(columns, [b * h, 1, 2 * w * c]), [
    [0, 0],
    [0, 1],
    [0, 0],
  ]);
  return tf.slice4d(tf.reshape(rows, [b, 2 * h, 2 * w, c]), [0, 0, 0, 0], [b, height, width, c]);
}

function depthwiseContests([b, h, w, c]: Shape4, stride: number): Contest[] {
  const pad =
    stride === 1
      ? ("same" as const)
      : ([
          [0, 0],
          [1, 1],
          [1, 1],
          [0, 0],
        ] as tf.backend_util.ExplicitPadding);
  const x = tf.randomNormal<tf.Rank.R4>([b, h, w, c]);
  const filter = tf.randomNormal<tf.Rank.R4>([3, 3, c, 1]);
  const forward = () => tf.depthwiseConv2d(x, filter, stride, pad);
  const dy = tf.randomNormal<tf.Rank.R4>(tf.tidy(() => forward().shape));
  const [, oh, ow] = dy.shape;
  const attrs = { strides: [stride, stride], dilations: [1, 1], pad };
  const shape = `${b}x${h}x${w}x${c} 3x3 s${stride}`;
  const madds = b * oh * ow * c * 9;
  const padded = () =>
    tf.pad(x, [
      [0, 0],
      [1, 1],
      [1, 1],
      [0, 0],
    ]);
  const taps = (sum: (product: tf.Tensor4D) => tf.Tensor) => () => {
    const source = padded();
    const rows: tf.Tensor[] = [];
    for (let ty = 0; ty < 3; ty++) {
      for (let tx = 0; tx < 3; tx++) {
        const window =
          stride === 1
            ? tf.slice(source, [0, ty, tx, 0], [b, oh, ow, c])
            : tf.stridedSlice(
                source,
                [0, ty, tx, 0],
                [b, ty + stride * oh - 1, tx + stride * ow - 1, c],
                [1, stride, stride, 1],
              );
        rows.push(sum(tf.mul(window, dy)));
      }
    }
    return tf.reshape(tf.stack(rows), [3, 3, c, 1]);
  };
  const ones = tf.ones<tf.Rank.R2>([1, b * oh * ow]);
  const contests: Contest[] = [
    {
      name: "DepthwiseConv2dNativeBackpropFilter",
      shape,
      madds,
      forward,
      own: kernel("DepthwiseConv2dNativeBackpropFilter", { x, dy }, { ...attrs, filterShape: filter.shape }),
      peers: {
        "9 slices, multiply, sum": taps((product) => tf.sum(product, [0, 1, 2])),
        "9 slices, multiply, matMul with ones": taps((product) => tf.matMul(ones, tf.reshape(product, [-1, c]))),
      },
    },
  ];
  // The stem's first layer needs no gradient of the image.
  if (c > 3) {
    contests.push({
      name: "DepthwiseConv2dNativeBackpropInput",
      shape,
      madds,
      forward,
      own: kernel("DepthwiseConv2dNativeBackpropInput", { dy, filter }, { ...attrs, inputShape: x.shape }),
      peers: {
        "depthwise convolution with the reversed filter": () => {
          const reversed = tf.reverse(filter, [0, 1]);
          if (stride === 1) return tf.depthwiseConv2d(dy, reversed, 1, "same");
          return tf.depthwiseConv2d(spread(dy, h, w), reversed, 1, "same");
        },
      },
    });
  }
  return contests;
}

function denseContests([b, h, w, c]: Shape4, channels: number, size: number, stride: number): Contest[] {
  const half = size >> 1;
  const pad = [
    [0, 0],
    [half, half],
    [half, half],
    [0, 0],
  ] as tf.backend_util.ExplicitPadding;
  const x = tf.randomNormal<tf.Rank.R4>([b, h, w, c]);
  const filter = tf.randomNormal<tf.Rank.R4>([size, size, c, channels]);
  const forward = () =>
    tf.conv2d(x, filter, stride, size === 1 ? 0 : pad, "NHWC", [1, 1], size === 1 ? "floor" : undefined);
  const dy = tf.randomNormal<tf.Rank.R4>(tf.tidy(() => forward().shape));
  const [, oh, ow] = dy.shape;
  const attrs = { strides: [stride, stride], pad, dataFormat: "NHWC" };
  const shape = `${b}x${h}x${w}x${c}->${channels} ${size}x${size} s${stride}`;
  const madds = b * oh * ow * c * channels * size * size;
  const flatDy = tf.reshape(dy, [-1, channels]) as tf.Tensor2D;
  const filterPeers: Record<string, Run> = {
    "slices, transpose, matMul": () => {
      const source =
        size === 1
          ? x
          : tf.pad(x, [
              [0, 0],
              [half, half],
              [half, half],
              [0, 0],
            ]);
      const rows: tf.Tensor[] = [];
      for (let ty = 0; ty < size; ty++) {
        for (let tx = 0; tx < size; tx++) {
          let window: tf.Tensor = source;
          if (stride > 1) {
            window = tf.stridedSlice(
              source,
              [0, ty, tx, 0],
              [b, ty + stride * oh - 1, tx + stride * ow - 1, c],
              [1, stride, stride, 1],
            );
          } else if (size > 1) window = tf.slice(source, [0, ty, tx, 0], [b, oh, ow, c]);
          rows.push(tf.matMul(tf.transpose(tf.reshape(window, [-1, c])), flatDy));
        }
      }
      return tf.reshape(size === 1 ? rows[0]! : tf.stack(rows), filter.shape);
    },
  };
  const inputPeers: Record<string, Run> = {};
  if (size === 1) {
    inputPeers["transpose, matMul"] = () => {
      const flat = tf.matMul(flatDy, tf.transpose(tf.reshape(filter, [c, channels])));
      const gradient = tf.reshape(flat, [b, oh, ow, c]) as tf.Tensor4D;
      return stride === 1 ? gradient : spread(gradient, h, w);
    };
  } else {
    inputPeers["convolution with the reversed, transposed filter"] = () =>
      tf.conv2d(dy, tf.transpose(tf.reverse(filter, [0, 1]), [0, 1, 3, 2]), 1, "same");
  }
  return [
    {
      name: "Conv2DBackpropFilter",
      shape,
      madds,
      forward,
      own: kernel("Conv2DBackpropFilter", { x, dy }, { ...attrs, filterShape: filter.shape }),
      peers: filterPeers,
    },
    {
      name: "Conv2DBackpropInput",
      shape,
      madds,
      forward,
      own: kernel("Conv2DBackpropInput", { dy, filter }, { ...attrs, inputShape: x.shape }),
      peers: inputPeers,
    },
  ];
}

function matMulContests(): Contest[] {
  const [m, k, n] = [2000, 128, 128];
  const a = tf.randomNormal<tf.Rank.R2>([m, k]);
  const right = tf.randomNormal<tf.Rank.R2>([n, k]);
  const other = tf.randomNormal<tf.Rank.R2>([m, n]);
  const forward = () => tf.matMul(a, tf.reshape(right, [k, n]));
  return [
    {
      name: "BatchMatMul transposeB",
      shape: `${m}x${k} * ${n}x${k}'`,
      madds: m * k * n,
      forward,
      own: () => tf.matMul(a, right, false, true),
      peers: {
        "as registered": () => tf.matMul(a, right, false, true),
        "transpose, matMul": () => tf.matMul(a, tf.transpose(right)),
      },
    },
    {
      name: "BatchMatMul transposeA",
      shape: `${m}x${k}' * ${m}x${n}`,
      madds: m * k * n,
      forward,
      own: () => tf.matMul(a, other, true, false),
      peers: {
        "as registered": () => tf.matMul(a, other, true, false),
        "transpose, matMul": () => tf.matMul(tf.transpose(a), other),
      },
    },
  ];
}

function normContests([b, h, w, c]: Shape4): Contest[] {
  const [x, dy, residual] = [0, 0, 0].map(() => tf.randomNormal([b, h, w, c])) as [tf.Tensor, tf.Tensor, tf.Tensor];
  const [scale, offset] = [tf.ones([c]), tf.zeros([c])];
  const attrs = { epsilon: 1e-5, activation: "relu", residual: true };
  const own = kernel("CaddetBatchNorm", { x, scale, offset, residual }, attrs);
  const [y, mean, variance] = own() as [tf.Tensor, tf.Tensor, tf.Tensor];
  const rows = b * h * w;
  const ones = tf.fill([1, rows], 1 / rows) as tf.Tensor2D;
  const average = (value: tf.Tensor) => tf.reshape(tf.matMul(ones, tf.reshape(value, [rows, c])), [c]);
  const shape = `${b}x${h}x${w}x${c}`;
  return [
    {
      name: "CaddetBatchNorm",
      shape,
      own,
      peers: {
        "means by matMul, elementwise": () => {
          const centred = tf.sub(x, average(x));
          const factor = tf.mul(scale, tf.rsqrt(tf.add(average(tf.square(centred)), 1e-5)));
          return tf.relu(tf.add(tf.add(tf.mul(centred, factor), offset), residual));
        },
      },
    },
    {
      name: "CaddetBatchNormGrad",
      shape,
      own: kernel("CaddetBatchNormGrad", { dy, x, y, scale, mean, variance }, attrs),
      peers: {
        "means by matMul, elementwise": () => {
          const masked = tf.mul(dy, tf.step(y));
          const inverse = tf.rsqrt(tf.add(variance, 1e-5));
          const normal = tf.mul(tf.sub(x, mean), inverse);
          const meanGradient = average(masked);
          const meanProduct = average(tf.mul(masked, normal));
          const centred = tf.sub(tf.sub(masked, meanGradient), tf.mul(normal, meanProduct));
          const dx = tf.mul(centred, tf.mul(scale, inverse));
          return [dx, tf.mul(meanProduct, rows), tf.mul(meanGradient, rows), masked];
        },
      },
    },
  ];
}

function groupNormContests([b, h, w, c]: Shape4, groups: number): Contest[] {
  const [x, dy] = [0, 0].map(() => tf.randomNormal([b, h, w, c])) as [tf.Tensor, tf.Tensor];
  const [scale, offset] = [tf.ones([c]), tf.zeros([c])];
  const attrs = { epsilon: 1e-5, activation: "relu", groups };
  const own = kernel("CaddetGroupNorm", { x, scale, offset }, attrs);
  const [y, mean, variance] = own() as [tf.Tensor, tf.Tensor, tf.Tensor];
  const pixels = h * w;
  const perGroup = c / groups;
  const ones = tf.fill([1, pixels], 1 / pixels) as tf.Tensor2D;
  /** Mean over the pixels and a group's channels, for each channel: [b, 1, 1, c]. */
  const average = (value: tf.Tensor) => {
    const channels = tf.matMul(tf.reshape(ones, [1, 1, pixels]), tf.reshape(value, [b, pixels, c]));
    const means = tf.mean(tf.reshape(channels, [b, groups, perGroup]), 2, true);
    return tf.reshape(tf.add(means, tf.zeros([b, groups, perGroup])), [b, 1, 1, c]);
  };
  const expand = (value: tf.Tensor) =>
    tf.reshape(tf.add(tf.reshape(value, [b, groups, 1]), tf.zeros([b, groups, perGroup])), [b, 1, 1, c]);
  const shape = `${b}x${h}x${w}x${c} g${groups}`;
  return [
    {
      name: "CaddetGroupNorm",
      shape,
      own,
      peers: {
        "means by matMul, elementwise": () => {
          const centred = tf.sub(x, average(x));
          const factor = tf.mul(scale, tf.rsqrt(tf.add(average(tf.square(centred)), 1e-5)));
          return tf.relu(tf.add(tf.mul(centred, factor), offset));
        },
      },
    },
    {
      name: "CaddetGroupNormGrad",
      shape,
      own: kernel("CaddetGroupNormGrad", { dy, x, y, scale, mean, variance }, attrs),
      peers: {
        "means by matMul, elementwise": () => {
          const masked = tf.mul(dy, tf.step(y));
          const inverse = expand(tf.rsqrt(tf.add(variance, 1e-5)));
          const normal = tf.mul(tf.sub(x, expand(mean)), inverse);
          const weighted = tf.mul(masked, scale);
          const dscale = tf.matMul(
            tf.ones([1, b * pixels]) as tf.Tensor2D,
            tf.reshape(tf.mul(masked, normal), [-1, c]),
          );
          const doffset = tf.matMul(tf.ones([1, b * pixels]) as tf.Tensor2D, tf.reshape(masked, [-1, c]));
          const centred = tf.sub(
            tf.sub(weighted, average(weighted)),
            tf.mul(normal, average(tf.mul(weighted, normal))),
          );
          return [tf.mul(centred, inverse), dscale, doffset];
        },
      },
    },
  ];
}

function gateContests([b, h, w, c]: Shape4): Contest[] {
  const gates = tf.randomUniform([b, 3]);
  const xs = [0, 1, 2].map(() => tf.randomNormal([b, h, w, c])) as [tf.Tensor, tf.Tensor, tf.Tensor];
  const dy = tf.randomNormal([b, h, w, c]);
  const inputs = { gates, x0: xs[0], x1: xs[1], x2: xs[2] };
  const gate = (k: number) => tf.reshape(tf.slice(gates, [0, k], [b, 1]), [b, 1, 1, 1]);
  const shape = `${b}x${h}x${w}x${c} 3 paths`;
  return [
    {
      name: "CaddetGatedSum",
      shape,
      own: kernel("CaddetGatedSum", inputs, {}),
      peers: { "multiply, add": () => xs.map((x, k) => tf.mul(x, gate(k))).reduce((sum, x) => tf.add(sum, x)) },
    },
    {
      name: "CaddetGatedSumGrad",
      shape,
      own: kernel("CaddetGatedSumGrad", { dy, ...inputs }, {}),
      peers: {
        "multiply, sum": () => xs.flatMap((x, k) => [tf.mul(dy, gate(k)), tf.sum(tf.mul(dy, x), [1, 2, 3])]),
      },
    },
  ];
}

function lossAndOptimiserContests(): Contest[] {
  const [rows, classes] = [10_666, 80];
  const logits = tf.randomNormal([rows, classes]);
  const labels = tf.cast(tf.randomUniform([rows], 0, 81), "int32");
  const oneHot = tf.slice(tf.oneHot(labels as tf.Tensor1D, 81), [0, 0], [rows, classes]);
  const size = 589_824;
  const [parameter, gradient, momentum] = [0, 0, 0].map(() => tf.randomNormal([size])) as [
    tf.Tensor,
    tf.Tensor,
    tf.Tensor,
  ];
  const gradientScale = tf.scalar(0.5);
  return [
    {
      name: "CaddetFocalLoss",
      shape: `${rows}x${classes}`,
      own: kernel("CaddetFocalLoss", { logits, labels }, { alpha: 0.25, gamma: 2 }),
      peers: {
        "elementwise, loss and gradient": () => {
          const targets = tf.cast(oneHot, "float32");
          const sign = tf.sub(1, tf.mul(2, targets));
          const z = tf.mul(logits, sign);
          const p = tf.sigmoid(z);
          const softplus = tf.softplus(z);
          const weight = tf.mul(tf.sub(0.75, tf.mul(0.5, targets)), tf.square(p));
          const slope = tf.add(tf.mul(tf.mul(2, tf.sub(1, p)), softplus), p);
          return [tf.sum(tf.mul(weight, softplus), 1), tf.mul(sign, tf.mul(weight, slope))];
        },
      },
    },
    {
      name: "CaddetSgd",
      shape: `${size}`,
      own: kernel(
        "CaddetSgd",
        { parameter, gradient, momentum, gradientScale },
        { learningRate: 0.01, momentum: 0.9, weightDecay: 1e-4 },
      ),
      peers: {
        elementwise: () => {
          const scaled = tf.add(tf.mul(gradient, gradientScale), tf.mul(parameter, 1e-4));
          const next = tf.add(tf.mul(momentum, 0.9), scaled);
          return [tf.sub(parameter, tf.mul(next, 0.01)), next];
        },
      },
    },
    {
      name: "CaddetSumOfSquares",
      shape: `${size}`,
      own: kernel("CaddetSumOfSquares", { x0: gradient }, {}),
      peers: {
        "square, sum": () => tf.sum(tf.square(gradient)),
        "matMul with itself": () => tf.matMul(tf.reshape(gradient, [1, size]), tf.reshape(gradient, [size, 1])),
      },
    },
  ];
}

/** Kernels of tfjs that ours replace, on the largest map of the network, against the ones that they replace. */
function replacementContests(): Contest[] {
  const [h, w, c] = [80, 100, 64];
  const x = tf.randomNormal<tf.Rank.R4>([1, h, w, c]);
  const half = tf.randomNormal<tf.Rank.R4>([1, h / 2, w / 2, c]);
  const [pointwise, taps] = [tf.randomNormal<tf.Rank.R4>([1, 1, c, c]), tf.randomNormal<tf.Rank.R4>([3, 3, c, 1])];
  const bias = tf.randomNormal<tf.Rank.R1>([c]);
  const attrs = { strides: [1, 1], pad: "same", dilations: [1, 1], dataFormat: "NHWC" };
  const resize = { alignCorners: false, halfPixelCenters: false };
  const fused = { ...attrs, activation: "relu" };
  const shape = `1x${h}x${w}x${c}`;
  const same = (name: string, run: Run, madds?: number): Contest => ({
    name,
    shape,
    own: run,
    peers: { "tfjs's own": run },
    ...(madds ? { madds, forward: run } : {}),
  });
  const dense = h * w * c * c;
  const depthwise = h * w * c * 9;
  return [
    same("Conv2D", kernel("Conv2D", { x, filter: pointwise }, attrs), dense),
    same("FusedConv2D", kernel("FusedConv2D", { x, filter: pointwise, bias }, fused), dense),
    same("DepthwiseConv2dNative", kernel("DepthwiseConv2dNative", { x, filter: taps }, attrs), depthwise),
    same("FusedDepthwiseConv2D", kernel("FusedDepthwiseConv2D", { x, filter: taps, bias }, fused), depthwise),
    same("BatchMatMul", () => tf.matMul(tf.reshape(x, [h * w, c]), tf.reshape(pointwise, [c, c])), dense),
    same("Sum over pixels", () => tf.sum(x, [0, 1, 2])),
    same("Mean over pixels", () => tf.mean(x, [1, 2])),
    same("ResizeBilinearGrad", kernel("ResizeBilinearGrad", { images: half, dy: x }, resize)),
    same("Tile", () => tf.tile(tf.reshape(bias, [1, 1, 1, c]), [1, h, w, 1])),
    same("GatherV2", () => tf.gather(x, [0], 0)),
    same("Maximum", () => tf.maximum(x, 0)),
  ];
}

const SCALES: [number, number, number][] = [
  [80, 100, 64],
  [40, 50, 128],
  [20, 25, 256],
  [10, 13, 512],
];

/** Makes the contests of one shape at a time, so that their tensors can go before the next. */
function* groups(): Generator<() => Contest[]> {
  for (const batch of [1, 2]) {
    for (const [h, w, c] of SCALES) {
      yield () => depthwiseContests([batch, h, w, c], 1);
      yield () => denseContests([batch, h, w, c], c, 1, 1);
      yield () => denseContests([batch, h, w, c], c / 2, 1, 1);
      if (c < 512) yield () => denseContests([batch, h, w, c], 2 * c, 1, 2);
      yield () => normContests([batch, h, w, c]);
      yield () => gateContests([batch, h, w, c]);
    }
  }
  for (const shape of [
    [1, 640, 800, 3],
    [1, 320, 400, 64],
    [1, 160, 200, 64],
  ] as Shape4[]) {
    yield () => depthwiseContests(shape, 2);
  }
  for (const [h, w] of [
    [80, 100],
    [40, 50],
    [20, 25],
    [10, 13],
    [5, 7],
  ] as [number, number][]) {
    yield () => denseContests([1, h, w, 256], 256, 3, 1);
    yield () => groupNormContests([1, h, w, 256], 32);
  }
  yield replacementContests;
  yield matMulContests;
  yield lossAndOptimiserContests;
}

/**
 * Measures every kernel.
 *
 * @param only measures the kernels whose name or shape contains this, all by default
 */
export async function run(only = ""): Promise<{ rows: BenchRow[] }> {
  snapshot(tfjsKernels);
  registerWasmKernels();
  snapshot(ownKernels);
  await tf.setBackend("wasm");
  const rows: BenchRow[] = [];
  for (const make of groups()) {
    tf.engine().startScope();
    for (const contest of make()) {
      if (contest.name.includes(only) || contest.shape.includes(only)) rows.push(measure(contest));
    }
    tf.engine().endScope();
  }
  return { rows };
}

if (process.argv[1] && import.meta.url === pathToFileURL(process.argv[1]).href) {
  const { rows } = await run(process.argv[2]);
  console.table(rows);
}

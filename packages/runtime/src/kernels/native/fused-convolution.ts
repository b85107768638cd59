// Convolutions with bias and activation for inference on TensorFlow proper (tfjs-node), through its own operations. oneDNN, where the
// library has it, adds the bias inside of the convolution; tfjs-node by itself makes a broadcasting addition of it.
import type { KernelConfig, NamedAttrMap, NamedTensorInfoMap, Tensor, TensorInfo } from "@tensorflow/tfjs-core";
import { FusedConv2D, getKernel, registerKernel, tensor, unregisterKernel } from "@tensorflow/tfjs-core";
import { SEP_CONV } from "../separable";

/** The part of tfjs-node's backend that runs operations. */
interface NativeBackend {
  readonly isUsingGpuDevice: boolean;
  readonly binding: Readonly<
    Record<"TF_FLOAT" | "TF_ATTR_TYPE" | "TF_ATTR_STRING" | "TF_ATTR_INT" | "TF_ATTR_BOOL", number>
  >;
  executeSingleOutput(name: string, attrs: readonly object[], inputs: readonly TensorInfo[]): Tensor;
}

/** TensorFlow.js' name of the backend. */
const BACKEND = "tensorflow";
const BIASED = "_MklNativeConv2DWithBias";

const withBias = new WeakMap<NativeBackend, boolean>();
const own = new WeakSet<KernelConfig>();

function attributesOf({ binding }: NativeBackend) {
  const { TF_ATTR_TYPE, TF_ATTR_STRING, TF_ATTR_INT, TF_ATTR_BOOL, TF_FLOAT } = binding;
  return {
    float: { name: "T", type: TF_ATTR_TYPE, value: TF_FLOAT },
    text: (name: string, value: string) => ({ name, type: TF_ATTR_STRING, value }),
    ints: (name: string, value: readonly number[]) => ({ name, type: TF_ATTR_INT, value }),
    flag: (name: string, value: boolean) => ({ name, type: TF_ATTR_BOOL, value }),
  };
}

/** How tfjs's attributes say that a window steps, in TensorFlow's words; numeric padding included, which tfjs-node refuses. */
function steps(backend: NativeBackend, attrs: NamedAttrMap): object[] {
  const { text, ints } = attributesOf(backend);
  const [sy, sx] = [attrs.strides].flat(2) as number[];
  const pad = attrs.pad as "same" | "valid" | number;
  const padding =
    typeof pad === "number"
      ? [text("padding", "EXPLICIT"), ints("explicit_paddings", [0, 0, pad, pad, pad, pad, 0, 0])]
      : [text("padding", pad.toUpperCase())];
  return [
    ints("strides", [1, sy!, sx ?? sy!, 1]),
    ...padding,
    text("data_format", "NHWC"),
    ints("dilations", [1, 1, 1, 1]),
  ];
}

/** Runs a chain of operations; each result but the last is freed once the next is there. */
function chain(first: Tensor, ...rest: readonly ((x: Tensor) => Tensor)[]): Tensor {
  return rest.reduce((x, step) => {
    try {
      return step(x);
    } finally {
      x.dispose();
    }
  }, first);
}

function biased(
  backend: NativeBackend,
  x: TensorInfo,
  filter: TensorInfo,
  bias: TensorInfo,
  attrs: NamedAttrMap,
): Tensor {
  const { float, text, flag } = attributesOf(backend);
  const all = [float, ...steps(backend, attrs), flag("use_cudnn_on_gpu", true)];
  const { executeSingleOutput } = backend;
  const run = executeSingleOutput.bind(backend);
  if (hasBiasedConvolution(backend))
    return run(BIASED, [...all, text("_kernel", "MklNameChangeOp")], [x, filter, bias]);
  return chain(run("Conv2D", all, [x, filter]), (y) => run("BiasAdd", [float, text("data_format", "NHWC")], [y, bias]));
}

/** Whether the library has the convolution with a bias; its name is no public one, so that it is tried. */
function hasBiasedConvolution(backend: NativeBackend): boolean {
  const known = withBias.get(backend);
  if (known !== undefined) return known;
  withBias.set(backend, true);
  let works = false;
  if (!backend.isUsingGpuDevice) {
    const [x, filter, bias] = [tensor([2], [1, 1, 1, 1]), tensor([3], [1, 1, 1, 1]), tensor([1], [1])] as const;
    try {
      const y = biased(backend, x, filter, bias, { strides: [1, 1], pad: "valid" });
      works = y.dataSync()[0] === 7;
      y.dispose();
    } catch {
      // A library without oneDNN does not know the operation.
    } finally {
      for (const one of [x, filter, bias]) one.dispose();
    }
  }
  withBias.set(backend, works);
  return works;
}

const ACTIVATIONS: readonly unknown[] = [undefined, "linear", "relu"];

function relu(backend: NativeBackend, attrs: NamedAttrMap): ((x: Tensor) => Tensor)[] {
  const { float } = attributesOf(backend);
  return attrs.activation === "relu" ? [(x) => backend.executeSingleOutput("Relu", [float], [x])] : [];
}

/** The operands of a convolution that is ours: float32, NHWC, dilation 1, a bias, and linear or ReLU behind it. */
function supported(inputs: NamedTensorInfoMap, attrs: NamedAttrMap) {
  const { x, filter, bias } = inputs;
  const isPlain =
    (attrs.dataFormat ?? "NHWC") === "NHWC" &&
    [attrs.dilations ?? 1].flat().every((dilation) => dilation === 1) &&
    (typeof attrs.pad === "number" || attrs.pad === "same" || attrs.pad === "valid") &&
    ACTIVATIONS.includes(attrs.activation) &&
    !inputs.preluActivationWeights;
  if (!isPlain || !x || !filter || !bias || bias.shape.length !== 1) return undefined;
  return [x, filter, bias].every(({ dtype }) => dtype === "float32") ? { x, filter, bias } : undefined;
}

function fusedConvolution(): KernelConfig | undefined {
  const original = getKernel(FusedConv2D, BACKEND);
  if (!original || own.has(original)) return undefined;
  return {
    ...original,
    kernelFunc: (call) => {
      const attrs = call.attrs ?? {};
      const convolution = supported(call.inputs, attrs);
      if (!convolution) return original.kernelFunc(call);
      const backend = call.backend as NativeBackend;
      const { x, filter, bias } = convolution;
      return chain(biased(backend, x, filter, bias, attrs), ...relu(backend, attrs));
    },
  };
}

/** As the wasm kernel of this name. */
function separableConvolution(): KernelConfig | undefined {
  if (getKernel(SEP_CONV, BACKEND)) return undefined;
  return {
    kernelName: SEP_CONV,
    backendName: BACKEND,
    kernelFunc: ({ inputs, attrs = {}, backend: current }) => {
      const backend = current as NativeBackend;
      const { float } = attributesOf(backend);
      const { x, depthwise, pointwise, bias, residual } = inputs;
      const filtered = backend.executeSingleOutput(
        "DepthwiseConv2dNative",
        [float, ...steps(backend, attrs)],
        [x!, depthwise!],
      );
      const plus = residual ? [(y: Tensor) => backend.executeSingleOutput("AddV2", [float], [y, residual])] : [];
      return chain(
        filtered,
        (y) => biased(backend, y, pointwise!, bias!, { strides: [1, 1], pad: "valid" }),
        ...plus,
        ...relu(backend, attrs),
      );
    },
  };
}

/**
 * Registers faster convolutions for inference with tfjs-node's backend: `FusedConv2D` in place of its own, and the separable one of
 * `@caddet`'s layers. Calling it again changes nothing.
 */
export function registerNativeConvolutions(): void {
  for (const config of [fusedConvolution(), separableConvolution()]) {
    if (!config) continue;
    if (getKernel(config.kernelName, BACKEND)) unregisterKernel(config.kernelName, BACKEND);
    registerKernel(config);
    own.add(config);
  }
}

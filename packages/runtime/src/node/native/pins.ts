// What a native install is made of, to the byte: tfjs-node's sources from npm, and the wheel that holds a libtensorflow which they work
// with (with 2.18 and 2.21, tf.round of whole numbers gives zeros). The libraries in it do not depend on a Python version. For a GPU it
// is the wheel with CUDA's kernels, which opens CUDA's own libraries when there is a driver.

/** An npm package of one content. */
export interface PinnedPackage {
  readonly name: string;
  readonly version: string;
  /** As npm's lock file has it. */
  readonly integrity: string;
}

/** A Python wheel of one content. */
export interface PinnedWheel {
  readonly name: string;
  readonly version: string;
  readonly file: string;
  readonly sha256: string;
  readonly megabytes: number;
}

/** The parts of an install. */
export interface NativePins {
  /** The backend that it makes; its package is the first. */
  readonly backend: "tfjs-node" | "tfjs-node-gpu";
  readonly packages: readonly PinnedPackage[];
  readonly wheel: PinnedWheel;
  /** Disk that it takes at once: the wheel, the libraries in it, npm's packages and the headers. */
  readonly neededBytes: number;
}

const HEADERS: PinnedPackage = {
  name: "node-api-headers",
  version: "1.5.0",
  integrity: "sha512-Yi/FgnN8IU/Cd6KeLxyHkylBUvDTsSScT0Tna2zTrz8klmc8qF2ppj6Q1LHsmOueJWhigQwR4cO2p0XBGW5IaQ==",
};

export const NATIVE_PINS: NativePins = {
  backend: "tfjs-node",
  packages: [
    {
      name: "@tensorflow/tfjs-node",
      version: "4.22.0",
      integrity: "sha512-uHrXeUlfgkMxTZqHkESSV7zSdKdV0LlsBeblqkuKU9nnfxB1pC6DtoyYVaLxznzZy7WQSegjcohxxCjAf6Dc7w==",
    },
    HEADERS,
  ],
  wheel: {
    name: "tensorflow-cpu",
    version: "2.15.1",
    file: "tensorflow_cpu-2.15.1-cp311-cp311-manylinux_2_17_x86_64.manylinux2014_x86_64.whl",
    sha256: "54660c074d7241a503e81edfd9f5ef5af88f64051b72e2945f26318c790f2d26",
    megabytes: 200,
  },
  neededBytes: 1.4e9,
};

export const NATIVE_GPU_PINS: NativePins = {
  backend: "tfjs-node-gpu",
  packages: [
    {
      name: "@tensorflow/tfjs-node-gpu",
      version: "4.22.0",
      integrity: "sha512-p//NN6DGiN4hInUmIkRffaFVMcdTREUMjPyjW04J7OXvB2zBlQimj61eFKSgRrH3f5TnOfKzb0n56he/B6a4bw==",
    },
    HEADERS,
  ],
  wheel: {
    name: "tensorflow",
    version: "2.15.1",
    file: "tensorflow-2.15.1-cp311-cp311-manylinux_2_17_x86_64.manylinux2014_x86_64.whl",
    sha256: "bb0edd69103c154245c5f209f0507355cc68ba7e4de350084bc31edc562478e4",
    megabytes: 475,
  },
  neededBytes: 2e9,
};

/** The two libraries of the wheel, and what the addon's sources include. */
export const LIBRARIES = ["tensorflow/libtensorflow_cc.so.2", "tensorflow/libtensorflow_framework.so.2"] as const;
export const INCLUDE = /^tensorflow\/include\/((?:tensorflow|xla|tsl)\/.*\.h)$/;

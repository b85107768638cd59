// What a native install is made of, to the byte: tfjs-node's sources from npm, and the wheel that holds a libtensorflow which they work
// with (with 2.18 and 2.21, tf.round of whole numbers gives zeros). The libraries in it do not depend on a Python version.

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
}

/** The parts of an install. */
export interface NativePins {
  readonly packages: readonly PinnedPackage[];
  readonly wheel: PinnedWheel;
}

export const NATIVE_PINS: NativePins = {
  packages: [
    {
      name: "@tensorflow/tfjs-node",
      version: "4.22.0",
      integrity: "sha512-uHrXeUlfgkMxTZqHkESSV7zSdKdV0LlsBeblqkuKU9nnfxB1pC6DtoyYVaLxznzZy7WQSegjcohxxCjAf6Dc7w==",
    },
    {
      name: "node-api-headers",
      version: "1.5.0",
      integrity: "sha512-Yi/FgnN8IU/Cd6KeLxyHkylBUvDTsSScT0Tna2zTrz8klmc8qF2ppj6Q1LHsmOueJWhigQwR4cO2p0XBGW5IaQ==",
    },
  ],
  wheel: {
    name: "tensorflow-cpu",
    version: "2.15.1",
    file: "tensorflow_cpu-2.15.1-cp311-cp311-manylinux_2_17_x86_64.manylinux2014_x86_64.whl",
    sha256: "54660c074d7241a503e81edfd9f5ef5af88f64051b72e2945f26318c790f2d26",
  },
};

/** The two libraries of the wheel, and what the addon's sources include. */
export const LIBRARIES = ["tensorflow/libtensorflow_cc.so.2", "tensorflow/libtensorflow_framework.so.2"] as const;
export const INCLUDE = /^tensorflow\/include\/((?:tensorflow|xla|tsl)\/.*\.h)$/;

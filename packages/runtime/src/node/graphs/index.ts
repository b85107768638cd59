// What records operations on tfjs-node and makes graphs of them. It takes what it is told to take: which part of a program is worth a
// graph is the program's business.
import * as tf from "@tensorflow/tfjs-core";
import { isNativeCpu } from "../../kernels/native/backend";
import { Program } from "./program";
import { Recording } from "./recording";

/** Makes graphs of what ran. */
export interface GraphRecorder {
  /** Begins to note operations. */
  record(): Recording;
  /** Makes a graph of what was noted. */
  compile(recording: Recording): Program;
}

/**
 * What makes graphs on the current backend.
 *
 * @returns the recorder; undefined where the backend has none, which is all but tfjs-node on a CPU
 * @example
 * ```ts
 * const graphs = graphRecorder();
 * ```
 */
export function graphRecorder(): GraphRecorder | undefined {
  const backend = tf.backend();
  if (!isNativeCpu(backend)) return undefined;
  return {
    record: () => new Recording(backend),
    compile: (recording) => new Program(backend, recording),
  };
}

// An inferencer that answers when it is told to, to have requests wait for as long as a test needs. No network is behind it.
import type { DetectOptions, InferenceResult, Inferencer } from "@caddet/inferencer";
import type { NodeImageInput } from "@caddet/inferencer/node";

/** What {@link heldInferencer} keeps of a call. */
export interface HeldCall {
  readonly options: DetectOptions;
  answer(): void;
  fail(error: unknown): void;
}

/** An inferencer, and the calls that wait in it. */
export interface HeldInferencer {
  readonly inferencer: Inferencer<NodeImageInput>;
  readonly calls: HeldCall[];
  isClosed(): boolean;
}

const RESULT: InferenceResult = {
  objects: [{ label: "disc", categoryId: 7, score: 0.5, box: [1, 2, 3, 4] }],
  source: { height: 4, width: 4 },
  input: { height: 32, width: 32 },
  madds: 1000,
  openPaths: 3,
  batch: 2,
  ms: 5,
};

/** Makes one. Like a real one, it rejects with the signal's reason. */
export function heldInferencer(): HeldInferencer {
  const calls: HeldCall[] = [];
  let closed = false;
  const detect = (_image: unknown, options: DetectOptions = {}) =>
    new Promise<InferenceResult>((resolve, reject) => {
      calls.push({ options, answer: () => resolve(RESULT), fail: reject });
      options.signal?.addEventListener("abort", () => reject(options.signal!.reason));
    });
  const inferencer = {
    engine: "held",
    device: "nothing",
    classes: [],
    detect,
    close: async () => {
      closed = true;
    },
  } as unknown as Inferencer<NodeImageInput>;
  return { inferencer, calls, isClosed: () => closed };
}

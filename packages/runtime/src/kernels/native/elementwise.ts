// What tfjs-node spends several launches on, or one for nothing: a step function, a cast to the same type.
import { Cast, Step, type TensorInfo } from "@tensorflow/tfjs-core";
import { nativeReplacement, type Replacement, shared } from "./backend";

// NaN stays NaN in both.
const step = nativeReplacement(
  Step,
  ({ x }, attrs) => x?.dtype === "float32" && attrs.alpha === 0,
  (native, { x }) => native.op("Sign", [native.op("Relu", [native.idOf(x as TensorInfo)]).id]),
);

const cast = shared(Cast, ({ x }, { dtype }) => x?.dtype === dtype);

export const nativeElementwise: readonly Replacement[] = [step, cast];

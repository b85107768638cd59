// Every public name of @caddet/baselines.
export {
  type FpnLiteConfig,
  fpnLiteFactory,
  type MobileNetV1Config,
  type MobileNetV2Config,
  mobileNetV1Factory,
  mobileNetV2Factory,
} from "./factories";
export {
  createFpnLite,
  FpnLite,
  type FpnLiteCost,
  type FpnLiteOptions,
  type FpnLiteShape,
  fpnLiteCost,
} from "./fpn-lite";
export { mobileNetV1FromTorch, mobileNetV2FromTorch } from "./from-torch";
export {
  createMobileNetV1,
  createMobileNetV2,
  MobileNetBackbone,
  type MobileNetCost,
  type MobileNetOptions,
  type MobileNetShape,
} from "./mobilenet-backbone";
export type { ConvPlan, LayerPlan, MobileNetTail } from "./plan";

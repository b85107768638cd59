// A plan with weights: images in, the maps that the plan taps out. Which network it is, the plan says.
import { Module, type Random } from "@caddet/core";
import type { Tensor4D } from "@tensorflow/tfjs-core";
import { ConvNorm } from "./conv-norm";
import type { LayerPlan } from "./plan";

/** One layer of a plan. Children: its convolutions, `0`, `1`, … */
class TrunkLayer extends Module {
  readonly #convs: readonly ConvNorm[];
  readonly #residual: boolean;
  readonly tap: boolean;

  constructor({ convs, residual, tap }: LayerPlan, random: Random) {
    super();
    this.#convs = convs.map((conv, i) => this.child(`${i}`, new ConvNorm(conv, random)));
    this.#residual = residual;
    this.tap = tap;
  }

  /** Maps `[B, H, W, Cin]` to `[B, ceil(H / stride), ceil(W / stride), Cout]`. */
  apply(x: Tensor4D, training: boolean): Tensor4D {
    const last = this.#convs.length - 1;
    return this.#convs.reduce((y, conv, i) => conv.apply(y, training, this.#residual && i === last ? x : undefined), x);
  }
}

/** Layers one after another. Children: `0`, `1`, … */
export class Trunk extends Module {
  readonly #layers: readonly TrunkLayer[];

  constructor(plan: readonly LayerPlan[], random: Random) {
    super();
    this.#layers = plan.map((layer, i) => this.child(`${i}`, new TrunkLayer(layer, random)));
  }

  /** Maps images `[B, H, W, 3]` to the tapped maps, fine to coarse. Call it in a tidy. */
  apply(images: Tensor4D, training: boolean): Tensor4D[] {
    const maps: Tensor4D[] = [];
    let x = images;
    for (const layer of this.#layers) {
      x = layer.apply(x, training);
      if (layer.tap) maps.push(x);
    }
    return maps;
  }
}

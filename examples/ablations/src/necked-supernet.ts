// Table 3's CADDet+FPNLite: the supernet with an FPNLite behind it, as one backbone, as a MobileNet is with its own. What is routed is the
// supernet; the neck runs for every image.
import { type FpnLite, type FpnLiteConfig, fpnLiteFactory } from "@caddet/baselines";
import {
  type Backbone,
  type BackboneContext,
  type BackboneOutput,
  Module,
  type PartFactory,
  type RoutedOutput,
  tidy,
} from "@caddet/core";
import { checkConfig } from "@caddet/core/schema";
import { type Supernet, type SupernetConfig, supernetFactory } from "@caddet/supernet";
import * as tf from "@tensorflow/tfjs-core";
import { z } from "zod";

/** A supernet with FPNLite. Children: `supernet`, `neck`. It owns both. */
export class NeckedSupernet extends Module implements Backbone {
  readonly supernet: Supernet;
  readonly neck: FpnLite;
  readonly strides: readonly number[];
  readonly channels: number;
  readonly routing: Supernet["routing"];

  constructor(supernet: Supernet, neck: FpnLite) {
    super();
    this.supernet = this.child("supernet", supernet);
    this.neck = this.child("neck", neck);
    this.strides = neck.strides;
    this.channels = neck.channels;
    this.routing = supernet.routing;
  }

  /**
   * Maps images to the neck's levels, with every path of the supernet computed.
   *
   * @param images `[B, H, W, 3]`
   * @param options `training` takes batch statistics and soft gates
   * @returns levels and gates, the caller's
   * @example backbone.forward(images, { training: true })
   */
  forward(
    images: tf.Tensor4D,
    options: { readonly training: boolean; readonly checkpoint?: boolean },
  ): BackboneOutput & Required<BackboneOutput> {
    return tidy(() => {
      const { features, gates } = this.supernet.forward(images, options);
      return { features: this.neck.forward(features, options), gates };
    });
  }

  /**
   * Maps images to the neck's levels and skips what the gates close.
   *
   * @param images `[B, H, W, 3]`
   * @returns levels, the caller's; gates and MAdds are the supernet's alone
   * @example await backbone.forwardRouted(images)
   */
  async forwardRouted(images: tf.Tensor4D): Promise<RoutedOutput> {
    const { features, gates, madds } = await this.supernet.forwardRouted(images);
    try {
      return { features: this.neck.forward(features, { training: false }), gates, madds };
    } finally {
      tf.dispose([...features.maps]);
    }
  }
}

const schema = z.strictObject({
  type: z.literal("supernet-fpnlite").default("supernet-fpnlite"),
  supernet: z.looseObject({}).prefault({}),
  neck: z.looseObject({}).prefault({}),
});

/** Both configurations with every default filled in. */
interface NeckedSupernetConfig {
  readonly type: "supernet-fpnlite";
  readonly supernet: SupernetConfig;
  readonly neck: FpnLiteConfig;
}

/**
 * The supernet with FPNLite by configuration: `type` "supernet-fpnlite".
 *
 * @example neckedSupernetFactory.build(neckedSupernetFactory.parse({ neck: { depth: 64 } }), { random })
 */
export const neckedSupernetFactory: PartFactory<NeckedSupernetConfig, BackboneContext, NeckedSupernet> = {
  type: "supernet-fpnlite",
  parse: (config, at = "") => {
    const { type, supernet, neck } = checkConfig(schema, config, "supernet with FPNLite", { at });
    const below = (key: string) => (at === "" ? key : `${at}.${key}`);
    return {
      type,
      supernet: supernetFactory.parse(supernet, below("supernet")),
      neck: fpnLiteFactory.parse(neck, below("neck")),
    };
  },
  build: (config, { random }) => {
    const supernet = supernetFactory.build(config.supernet, { random });
    try {
      const { channels: inChannels, strides } = supernet;
      return new NeckedSupernet(supernet, fpnLiteFactory.build(config.neck, { inChannels, strides, random }));
    } catch (error) {
      supernet.dispose();
      throw error;
    }
  },
  // The neck's own shape depends on the supernet's; the supernet is the larger part by far.
  minWeights: ({ supernet }, context) => supernetFactory.minWeights!(supernet, context),
};

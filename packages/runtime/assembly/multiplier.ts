// Gradients of a depthwise convolution whose channels have more than one filter each. Scalar: the network has no such
// layer, but tfjs's kernels take it.
import { Geometry } from "./geometry";

export function multiplierBackpropInput(g: Geometry, dy: usize, filter: usize, dx: usize): void {
  const multiplier = g.multiplier;
  for (let b = 0; b < g.batch; b++) {
    for (let iy = 0; iy < g.inHeight; iy++) {
      for (let ix = 0; ix < g.inWidth; ix++) {
        for (let c = 0; c < g.inChannels; c++) {
          let sum: f32 = 0;
          for (let ty = (iy + g.padTop) % g.strideHeight; ty < g.filterHeight; ty += g.strideHeight) {
            const oy = (iy + g.padTop - ty) / g.strideHeight;
            if (iy + g.padTop < ty || oy >= g.outHeight) continue;
            for (let tx = (ix + g.padLeft) % g.strideWidth; tx < g.filterWidth; tx += g.strideWidth) {
              const ox = (ix + g.padLeft - tx) / g.strideWidth;
              if (ix + g.padLeft < tx || ox >= g.outWidth) continue;
              const pixel = (b * g.outHeight + oy) * g.outWidth + ox;
              const from = dy + (<usize>((pixel * g.inChannels + c) * multiplier) << 2);
              const weights = filter + (<usize>(((ty * g.filterWidth + tx) * g.inChannels + c) * multiplier) << 2);
              for (let m = 0; m < multiplier; m++) {
                sum += load<f32>(from + (m << 2)) * load<f32>(weights + (m << 2));
              }
            }
          }
          store<f32>(dx, sum);
          dx += 4;
        }
      }
    }
  }
}

export function multiplierBackpropFilter(g: Geometry, x: usize, dy: usize, dfilter: usize): void {
  const multiplier = g.multiplier;
  for (let ty = 0; ty < g.filterHeight; ty++) {
    for (let tx = 0; tx < g.filterWidth; tx++) {
      for (let c = 0; c < g.inChannels; c++) {
        for (let m = 0; m < multiplier; m++) {
          let sum: f64 = 0;
          for (let b = 0; b < g.batch; b++) {
            for (let oy = 0; oy < g.outHeight; oy++) {
              const iy = oy * g.strideHeight - g.padTop + ty;
              if (<u32>iy >= <u32>g.inHeight) continue;
              for (let ox = 0; ox < g.outWidth; ox++) {
                const ix = ox * g.strideWidth - g.padLeft + tx;
                if (<u32>ix >= <u32>g.inWidth) continue;
                const pixel = (b * g.inHeight + iy) * g.inWidth + ix;
                const at = ((b * g.outHeight + oy) * g.outWidth + ox) * g.inChannels + c;
                const value = load<f32>(x + (<usize>(pixel * g.inChannels + c) << 2));
                sum += <f64>value * <f64>load<f32>(dy + (<usize>(at * multiplier + m) << 2));
              }
            }
          }
          store<f32>(dfilter, <f32>sum);
          dfilter += 4;
        }
      }
    }
  }
}

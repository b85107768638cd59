// The shape of one convolution, as the TypeScript side writes it to the heap: fourteen int32 in this order. `unmanaged`
// makes it a typed view of a pointer; nothing is allocated.

// @ts-ignore: decorator
@unmanaged
export class Geometry {
  batch: i32;
  inHeight: i32;
  inWidth: i32;
  inChannels: i32;
  outHeight: i32;
  outWidth: i32;
  outChannels: i32;
  filterHeight: i32;
  filterWidth: i32;
  strideHeight: i32;
  strideWidth: i32;
  padTop: i32;
  padLeft: i32;
  multiplier: i32;
}

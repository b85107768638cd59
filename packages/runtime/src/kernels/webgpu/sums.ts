// Sums over a workgroup, in an order that depends on sizes only: the same input gives the same bits.
import { THREADS } from "./program";

/**
 * `sumLanes(local, tile, value)`: threads form lanes of `tile` columns, a power of two up to the workgroup; the sum of each column over
 * the lanes, for all its threads. All threads must call it.
 */
export const SUM_LANES = `
  var<workgroup> cells: array<f32, ${THREADS}>;
  fn sumLanes(local: u32, tile: u32, value: f32) -> f32 {
    cells[local] = value;
    workgroupBarrier();
    for (var half = ${THREADS / 2}u; half >= tile; half /= 2u) {
      if (local < half) { cells[local] += cells[local + half]; }
      workgroupBarrier();
    }
    let total = cells[local % tile];
    workgroupBarrier();
    return total;
  }
`;

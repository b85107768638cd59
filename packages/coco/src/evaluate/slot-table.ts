// From COCO's ids to places in a list. Small ids are looked up in an array, which costs a tenth of a Map; any id works.
// Categories have such ids. Images often have not, but their ids come in runs that need one look.
const DENSE_LIMIT = 1 << 16;

/** Places of ids. Data only, {@link slotOf} reads it. */
export interface SlotTable {
  /** Place by id, -1 where there is none. */
  readonly dense: Int32Array;
  /** Places of the ids that `dense` does not reach. */
  readonly sparse: ReadonlyMap<number, number>;
}

/** Lists where each id stands; of equal ids the last one counts. */
export function slotTable(ids: ArrayLike<number>): SlotTable {
  const isDense = (id: number) => Number.isInteger(id) && id >= 0 && id < DENSE_LIMIT;
  let length = 0;
  for (let slot = 0; slot < ids.length; slot++) if (isDense(ids[slot]!)) length = Math.max(length, ids[slot]! + 1);
  const dense = new Int32Array(length).fill(-1);
  const sparse = new Map<number, number>();
  for (let slot = 0; slot < ids.length; slot++) {
    if (isDense(ids[slot]!)) dense[ids[slot]!] = slot;
    else sparse.set(ids[slot]!, slot);
  }
  return { dense, sparse };
}

/** The place of an id, -1 where it has none. */
export function slotOf({ dense, sparse }: SlotTable, id: number): number {
  if (id >= 0 && id < dense.length) return dense[id] ?? -1;
  return sparse.get(id) ?? -1;
}

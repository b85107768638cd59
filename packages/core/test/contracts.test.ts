import { expect, it } from "vitest";
import { singleProcess } from "../src";

it("singleProcess is rank 0 of 1 and leaves arrays as they are", async () => {
  const collective = singleProcess();
  const array = Float32Array.of(1, 2);
  await collective.allReduceMean([array]);
  await collective.broadcast([array]);
  await collective.barrier();
  expect([collective.rank, collective.size]).toEqual([0, 1]);
  expect(array).toEqual(Float32Array.of(1, 2));
});

import { expect, it } from "vitest";
import { mapConcurrently } from "../src/check/concurrent";

const later = (ms: number) => new Promise((resolve) => setTimeout(resolve, ms));

it("keeps the order and the limit", async () => {
  let running = 0;
  let most = 0;
  const results = await mapConcurrently([5, 1, 4, 2, 3], 2, async (item, index) => {
    most = Math.max(most, ++running);
    await later(item);
    running--;
    return `${index}:${item}`;
  });
  expect(results).toEqual(["0:5", "1:1", "2:4", "3:2", "4:3"]);
  expect(most).toBe(2);
  expect(await mapConcurrently([], 3, later)).toEqual([]);
});

it("starts nothing more after a failure, and throws it", async () => {
  const started: number[] = [];
  const work = mapConcurrently([0, 1, 2, 3, 4, 5], 2, async (item) => {
    started.push(item);
    await later(1);
    if (item === 1) throw new Error("one");
  });
  await expect(work).rejects.toThrow("one");
  await later(10);
  expect(started.length).toBeLessThan(6);
});

import { setTimeout as wait } from "node:timers/promises";
import { expect, it } from "vitest";
import { createLimit } from "../src/loader/concurrency-limit";

it("runs so many at once, in order, and goes on after a failure", async () => {
  const limit = createLimit(3);
  let running = 0;
  let most = 0;
  const begun: number[] = [];
  const ends = await Promise.allSettled(
    Array.from({ length: 12 }, (_, n) =>
      limit(async () => {
        begun.push(n);
        most = Math.max(most, ++running);
        await wait(n % 3);
        running--;
        if (n === 4) throw new Error("four");
        return n;
      }),
    ),
  );
  expect(most).toBe(3);
  expect(begun).toEqual(Array.from({ length: 12 }, (_, n) => n));
  expect(ends.map((end) => (end.status === "fulfilled" ? end.value : "failed"))).toEqual(
    begun.map((n) => (n === 4 ? "failed" : n)),
  );
});

import { setTimeout as wait } from "node:timers/promises";
import { describe, expect, it } from "vitest";
import { createTaskLimit } from "../src/task-limit";

describe("createTaskLimit", () => {
  it("has so many under way and no more, and waits for all", async () => {
    const limit = createTaskLimit(3);
    let [running, most, done] = [0, 0, 0];
    for (let n = 0; n < 20; n++) {
      await limit.add(async () => {
        most = Math.max(most, ++running);
        await wait(1 + (n % 3));
        running--;
        done++;
      });
    }
    await limit.drain();
    expect({ running, most, done }).toEqual({ running: 0, most: 3, done: 20 });
  });

  it("throws the first failure at the next call, once the others have ended", async () => {
    const limit = createTaskLimit(2);
    let ended = false;
    await limit.add(async () => {
      await wait(10);
      ended = true;
    });
    await limit.add(async () => {
      throw new Error("first");
    });
    await expect(limit.drain()).rejects.toThrow("first");
    expect(ended).toBe(true);
    await expect(limit.add(async () => {})).rejects.toThrow("first");
  });
});

// A bound on bytes that holds, in the order of asking.
import { describe, expect, it } from "vitest";
import { createByteBudget } from "../src/byte-budget";

const settle = () => new Promise((resolve) => setTimeout(resolve, 0));

describe("createByteBudget", () => {
  it("lets through what fits, and the rest in the order of asking", async () => {
    const budget = createByteBudget(10);
    const order: string[] = [];
    const take = async (name: string, bytes: number) => {
      const giveBack = await budget.take(bytes);
      order.push(name);
      return giveBack;
    };
    const a = await take("a", 6);
    const late = [take("b", 6), take("c", 1)];
    await settle();
    expect(order).toEqual(["a"]); // c would fit, and waits for its turn
    a();
    const [b, c] = await Promise.all(late);
    expect(order).toEqual(["a", "b", "c"]);
    b!();
    c!();
    (await take("d", 10))();
  });

  it("gives back once, however often it is told", async () => {
    const budget = createByteBudget(10);
    const first = await budget.take(10);
    first();
    first();
    await budget.take(10);
    let isTaken = false;
    void budget.take(10).then(() => {
      isTaken = true;
    });
    await settle();
    expect(isTaken).toBe(false);
  });

  it("gives more than there is to one alone", async () => {
    const budget = createByteBudget(10);
    const large = await budget.take(25);
    let isTaken = false;
    const small = budget.take(1).then((giveBack) => {
      isTaken = true;
      return giveBack;
    });
    await settle();
    expect(isTaken).toBe(false);
    large();
    (await small)();
    (await budget.take(25))();
  });

  it("lets go of who gave up, so that those behind move up", async () => {
    const budget = createByteBudget(10);
    const held = await budget.take(5);
    const abort = new AbortController();
    const large = budget.take(9, abort.signal);
    const small = budget.take(5);
    abort.abort(new Error("no more"));
    await expect(large).rejects.toThrow("no more");
    (await small)();
    held();
    await expect(budget.take(1, abort.signal)).rejects.toThrow("no more");
    const taken = new AbortController();
    const giveBack = await budget.take(10, taken.signal);
    taken.abort(); // too late to matter
    giveBack();
    (await budget.take(10))();
  });
});

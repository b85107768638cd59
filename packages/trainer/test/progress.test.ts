import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import type { StepRecord, Trainer } from "../src";
import { type ProgressStream, progressHook } from "../src/node";

const TOTAL = 200;

beforeEach(() => {
  vi.useFakeTimers({ toFake: ["performance"] });
});
afterEach(() => {
  vi.useRealTimers();
});

const record = (step: number): StepRecord => ({
  step,
  epoch: 0,
  learningRate: 0.00123,
  loss: { total: 1.23456 },
  gradientNorm: 2,
  imagesPerSecond: 10.04,
  dataShare: 0.1,
  madds: { mean: 250e6, min: 1, max: 2, std: 0 },
  tensors: 100,
  imageIds: [1],
});

/** Runs steps of some seconds each from a position, and gives what was written. */
async function run(
  stream: Omit<ProgressStream, "write">,
  {
    from = 0,
    to = TOTAL,
    seconds = 1,
    end = "onEnd",
  }: Partial<Record<"from" | "to" | "seconds", number>> & {
    readonly end?: "onEnd" | "onError";
  } = {},
): Promise<string[]> {
  const written: string[] = [];
  const hook = progressHook({ ...stream, write: (text) => written.push(text) });
  const trainer = { totalSteps: TOTAL, position: { step: from, epoch: 0, batch: 0 } } as Trainer;
  await hook.onStart!(trainer);
  for (let step = from + 1; step <= to; step++) {
    vi.advanceTimersByTime(seconds * 1000);
    await hook.onStep!(record(step), trainer);
  }
  if (end === "onEnd") await hook.onEnd?.(trainer);
  else await hook.onError?.(new Error("no"), trainer);
  return written;
}

describe("progressHook without a terminal", () => {
  it("writes whole lines, the first and the last step's, and no more than one in ten seconds", async () => {
    const lines = await run({});
    expect(lines).toHaveLength(21);
    expect(lines[0]).toBe("step 1/200  loss 1.235  lr 0.0012  10.0 img/s  250 M MAdds  3:19 left\n");
    expect(lines[1]).toMatch(/^step 11\/200 {2}.* {2}3:09 left\n$/);
    expect(lines[20]).toMatch(/^step 200\/200 {2}.* {2}0:00 left\n$/);
  });

  it("knows the time left of a resumed run by its own steps alone, in hours where it must", async () => {
    expect((await run({}, { from: 100, to: 101, seconds: 60 }))[0]).toContain("1:39:00 left");
  });

  it("writes nothing but lines when the run fails", async () => {
    expect(await run({ isTTY: false }, { to: 1, end: "onError" })).toHaveLength(1);
  });
});

describe("progressHook on a terminal", () => {
  it("redraws one line of the terminal's width with a bar, and ends it", async () => {
    const written = await run({ isTTY: true, columns: 60 });
    const lines = written.slice(0, -1);
    expect(lines).toHaveLength(TOTAL);
    for (const line of lines) {
      expect(line.startsWith("\r\u001b[2K[")).toBe(true);
      expect(line.slice(5).length).toBeLessThan(60);
      expect(line).not.toContain("\n");
    }
    expect(lines[99]).toContain(`[${"█".repeat(10)}${"░".repeat(10)}] step 100/200`);
    expect(lines[199]).toContain(`[${"█".repeat(20)}] step 200/200`);
    expect(written.at(-1)).toBe("\n");
  });

  it("redraws ten times a second at most", async () => {
    expect(await run({ isTTY: true }, { to: 100, seconds: 0.02 })).toHaveLength(20 + 1);
  });

  it.each(["onEnd", "onError"] as const)("ends the line of a run that stops early (%s)", async (end) => {
    const written = await run({ isTTY: true }, { to: 3, end });
    expect(written).toHaveLength(4);
    expect(written[3]).toBe("\n");
  });
});

import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { createProgressBar, type ProgressBarOptions } from "../src/progress-bar";

beforeEach(() => {
  vi.useFakeTimers();
});
afterEach(() => {
  vi.useRealTimers();
});

const CLEAR = "\r\u001b[2K";

function barOn(stream: { isTTY?: boolean; columns?: number }, options: Partial<ProgressBarOptions> = {}) {
  const said: string[] = [];
  const bar = createProgressBar(
    { ...stream, write: (text: string) => said.push(text) },
    { unit: "images", ...options },
  );
  return { bar, said };
}

describe("createProgressBar", () => {
  it("draws a bar on a terminal, in place, ten times a second at most", () => {
    const { bar, said } = barOn({ isTTY: true }, { total: 40 });
    vi.advanceTimersByTime(1000);
    bar.update(10);
    bar.update(11);
    vi.advanceTimersByTime(1000);
    bar.update(20, "2 failed");
    expect(said).toEqual([
      `${CLEAR}[█████░░░░░░░░░░░░░░░] 10/40 images  10.0 images/s`,
      `${CLEAR}[██████████░░░░░░░░░░] 20/40 images  10.0 images/s  2 failed`,
    ]);
  });

  it("makes room for what is printed, and comes back", () => {
    const { bar, said } = barOn({ isTTY: true }, { total: 2 });
    bar.clear();
    expect(said).toEqual([]);
    vi.advanceTimersByTime(500);
    bar.update(1);
    bar.clear();
    bar.clear();
    bar.update(2);
    expect(said).toEqual([
      expect.stringContaining("1/2"),
      CLEAR,
      `${CLEAR}[████████████████████] 2/2 images  4.0 images/s`,
    ]);
  });

  it("has no bar where the number is not known, and no line wider than the terminal", () => {
    const { bar, said } = barOn({ isTTY: true, columns: 12 });
    vi.advanceTimersByTime(500);
    bar.update(3);
    expect(said).toEqual([`${CLEAR}3 images  6`]);
  });

  it("says a line now and then elsewhere", () => {
    const { bar, said } = barOn({}, { everySeconds: 5 });
    for (let n = 1; n <= 12; n++) {
      vi.advanceTimersByTime(1000);
      bar.update(n);
    }
    bar.clear();
    expect(said).toEqual(["5 images  1.0 images/s\n", "10 images  1.0 images/s\n"]);
  });
});

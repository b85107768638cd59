import { describe, expect, it, vi } from "vitest";
import { type Sharp, SharpMissingError, sharpModule } from "../src/images/sharp-module";

// Counts what is set, in place of the library.
function recorder() {
  const calls: string[] = [];
  const library = {
    cache: (on: boolean) => calls.push(`cache ${on}`),
    concurrency: (n: number) => calls.push(`concurrency ${n}`),
  } as unknown as Sharp;
  let imports = 0;
  const load = async () => {
    imports++;
    return { default: library };
  };
  return { calls, load, library, imports: () => imports };
}

describe("sharpModule", () => {
  it("imports once, when first asked", async () => {
    const { load, library, imports } = recorder();
    const module = sharpModule(load);
    expect(imports()).toBe(0);
    expect(await Promise.all([module.load(), module.load()])).toEqual([library, library]);
    expect(imports()).toBe(1);
  });

  it("prepares before the first use, or what is loaded already", async () => {
    const early = recorder();
    const first = sharpModule(early.load);
    first.prepare();
    expect(early.imports()).toBe(0);
    await first.load();
    expect(early.calls).toEqual(["cache false", "concurrency 1"]);
    const late = recorder();
    const second = sharpModule(late.load);
    await second.load();
    expect(late.calls).toEqual([]);
    second.prepare();
    await second.load();
    expect(late.calls).toEqual(["cache false", "concurrency 1"]);
  });

  it("says what to install where it is missing, and tries again", async () => {
    let missing = true;
    const { load } = recorder();
    const module = sharpModule(async () => {
      if (missing) throw new Error("Cannot find package 'sharp'\nmore");
      return load();
    });
    module.prepare();
    const error = await module.load().catch((e: unknown) => e);
    expect(error).toBeInstanceOf(SharpMissingError);
    expect((error as Error).message).toContain("(Cannot find package 'sharp')");
    expect((error as Error).message).toContain("npm i sharp");
    missing = false;
    await expect(module.load()).resolves.toBeDefined();
  });
});

describe("@caddet/coco/node without sharp", () => {
  it("loads, and names what is missing at the first image", async () => {
    vi.resetModules();
    vi.doMock("sharp", () => {
      throw new Error("no sharp here");
    });
    const { loadImage } = await import("../src/node");
    const error = await loadImage(Uint8Array.of(1), { shorter: 8, longer: 8 }).catch((e: unknown) => e);
    expect((error as Error).name).toBe("SharpMissingError");
    vi.doUnmock("sharp");
  });
});

import onnxRuntimePackage from "onnxruntime-node/package.json" with { type: "json" };
import { describe, expect, it } from "vitest";
import { call } from "./call";

describe("caddet doctor", () => {
  it("reports every backend, which one is chosen, and why the others are not", async () => {
    const { code, json } = await call("doctor", "--json");
    expect(code).toBe(0);
    const { chosen, backends } = json() as {
      chosen: string;
      backends: { name: string; available: boolean; reason: string; trainable: boolean; device?: string }[];
    };
    expect(backends.map(({ name }) => name)).toEqual(["tfjs-node-gpu", "tfjs-node", "webgpu", "wasm", "cpu"]);
    expect(backends.find(({ name }) => name === chosen)).toMatchObject({ available: true, trainable: true });
    for (const { available, reason, trainable, device } of backends) {
      expect(reason).toMatch(/\.$/);
      expect(typeof trainable).toBe("boolean");
      expect(typeof device).toBe(available ? "string" : "undefined");
    }
    expect(backends.at(-1)).toMatchObject({ name: "cpu", available: true });
  });

  it("says whether onnxruntime-node is here, its version and providers", async () => {
    const { onnxruntime } = (await call("doctor", "--json")).json() as { onnxruntime: Record<string, unknown> };
    expect(onnxruntime).toEqual({
      available: true,
      version: onnxRuntimePackage.version,
      providers: expect.arrayContaining(["cpu"]),
      reason: expect.stringMatching(/^It runs exported models on cpu\b.*\.$/),
    });
    expect((await call("doctor")).out).toMatch(/^✓ onnxruntime +onnxruntime-node \d+\.\d+\.\d+ \(infers\)$/m);
  });

  it("marks the chosen one for people", async () => {
    const { code, out } = await call("doctor");
    expect(code).toBe(0);
    expect(out.match(/^→ /gm)).toHaveLength(1);
    expect(out).toMatch(/^[→✓] wasm .*\(trains and infers\)$/m);
  });
});

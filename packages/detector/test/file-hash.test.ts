// A changed byte anywhere in a detector's file is noticed.
import { CheckpointError, createRandom, parseSafetensors, serializeSafetensors } from "@caddet/core";
import { prepareBackend } from "@caddet/runtime/node";
import { beforeAll, describe, expect, it } from "vitest";
import { buildDetector, deserializeDetector, parseModelConfig, serializeDetector, verifyDetectorFile } from "../src";
import { peakFactory, poolFactory } from "./fake-factories";

const parts = { backbones: [poolFactory], heads: [peakFactory] };
const classes = [{ id: 1, name: 'a "sha256":"of" cat' }];

describe("verifyDetectorFile", () => {
  let bytes: Uint8Array<ArrayBuffer>;
  beforeAll(async () => {
    await prepareBackend({ backend: "wasm" });
    const config = parseModelConfig({}, parts);
    const detector = buildDetector(config, { parts, numClasses: 1, random: createRandom(0) });
    bytes = await serializeDetector({ detector, config, classes, metadata: { note: "größe" } });
    detector.dispose();
  });

  it("passes a file as it was written, also as part of a larger buffer", async () => {
    await verifyDetectorFile(bytes);
    const larger = new Uint8Array(bytes.length + 5);
    larger.set(bytes, 3);
    await verifyDetectorFile(larger.subarray(3, 3 + bytes.length));
  });

  it("keeps the hash to itself", () => {
    const read = deserializeDetector(bytes, { parts });
    expect(read.metadata).toEqual({ note: "größe" });
    expect(read.arrays.size).toBe(read.detector.stateDict().size);
    read.detector.dispose();
  });

  it("refuses every change of one byte, in header, hash and weights", async () => {
    for (let at = 0; at < bytes.length; at++) {
      const changed = Uint8Array.from(bytes);
      changed[at]! ^= 1 << (at % 8);
      await expect(verifyDetectorFile(changed), `changed at ${at}`).rejects.toThrow(CheckpointError);
    }
  });

  it("refuses a file that is cut, empty or another's, by name", async () => {
    for (const cut of [0, 3, 8, 100, bytes.length >> 1, bytes.length - 1]) {
      await expect(verifyDetectorFile(bytes.subarray(0, cut), "some.safetensors")).rejects.toThrow(
        /^some\.safetensors: (it has no hash|its bytes have SHA-256 [0-9a-f]{64}, it says)/,
      );
    }
    await expect(verifyDetectorFile(new TextEncoder().encode("<!doctype html>"))).rejects.toThrow(CheckpointError);
  });

  it("passes files of the format that had no hash", async () => {
    const { arrays, metadata } = parseSafetensors(bytes);
    const { sha256: _, ...others } = metadata;
    const old = serializeSafetensors(arrays, { ...others, format: "caddet-detector/1" });
    await verifyDetectorFile(old);
    deserializeDetector(old, { parts }).detector.dispose();
    await expect(verifyDetectorFile(serializeSafetensors(arrays, others))).rejects.toThrow("it has no hash");
  });
});

import { createHash } from "node:crypto";
import { mkdtemp, readFile, rm, stat } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { readDetectorFile, verifyDetectorFile } from "@caddet/detector";
import sharp from "sharp";
import { expect, it } from "vitest";
import packageFile from "../package.json" with { type: "json" };
import { BUNDLED_MODEL } from "../src";
import { verifyBundledModel } from "../src/bundled-model";
import { call } from "./call";

it("is the file that its facts are of, and says in itself what it is", async () => {
  const bytes = await readFile(BUNDLED_MODEL.path);
  expect(createHash("sha256").update(bytes).digest("hex")).toBe(BUNDLED_MODEL.sha256);
  await verifyDetectorFile(bytes);
  expect((await stat(BUNDLED_MODEL.path)).size).toBeLessThanOrEqual(8e6);
  expect(packageFile.files).toContain("models");
  const { classes, metadata, model, extra } = readDetectorFile(bytes);
  expect(classes).toHaveLength(80);
  expect(model).toMatchObject({ backbone: { type: "supernet" }, head: { type: "fcos" } });
  expect(JSON.parse(metadata.metrics!)).toEqual(BUNDLED_MODEL.metrics);
  expect(metadata.trainedOn).toBe(BUNDLED_MODEL.trainedOn);
  expect(JSON.parse(metadata.commands!)).toContainEqual(expect.stringContaining("caddet train"));
  expect(extra.size).toBe(0);
});

it("is what detect uses without --run, and is said to be, with its accuracy", async () => {
  const folder = await mkdtemp(join(tmpdir(), "caddet-bundled-"));
  const image = join(folder, "image.png");
  await sharp({ create: { width: 320, height: 240, channels: 3, background: "#567" } }).toFile(image);
  const { code, err, json } = await call("detect", "--image", image, "--json", "--threshold", "0", "--backend", "wasm");
  await rm(folder, { recursive: true });
  expect(code, err).toBe(0);
  expect(err).toContain(`AP ${(100 * BUNDLED_MODEL.metrics.AP).toFixed(1)}, `);
  expect(err).toContain("--run takes a model of yours");
  expect(json().madds).toBeGreaterThan(0);
});

it("is refused when its bytes are others", async () => {
  const bytes = await readFile(BUNDLED_MODEL.path);
  verifyBundledModel(BUNDLED_MODEL.path, bytes);
  bytes[bytes.length - 1]! ^= 1;
  expect(() => verifyBundledModel(BUNDLED_MODEL.path, bytes)).toThrow(/has SHA-256 .* was published/);
  verifyBundledModel("another.safetensors", bytes);
});

import { createRandom, IMAGENET_NORMALISATION, normalisationTable, writePixels } from "@caddet/core/base";
import fc from "fast-check";
import { expect, it } from "vitest";
import { writeRows } from "../src/images/pixel-rows";

const table = normalisationTable(IMAGENET_NORMALISATION);
const side = fc.integer({ min: 1, max: 20 });

it("writes what core's writePixels writes, and clears the padding of used memory", () => {
  fc.assert(
    fc.property(
      side,
      side,
      fc.nat(9),
      fc.nat(9),
      fc.boolean(),
      fc.boolean(),
      fc.nat(7),
      (h, w, right, below, flipped, used, skip) => {
        const random = createRandom(h * 100 + w);
        // A view at any byte, as decoders may return.
        const rgb = Uint8Array.from({ length: skip + h * w * 3 }, () => random.int(256)).subarray(skip);
        const [rows, stride] = [h + below, w + right];
        const place = { offset: 6, stride, flipped };
        const wanted = new Float32Array(6 + rows * stride * 3 + 5);
        writePixels(rgb, { height: h, width: w }, table, wanted, place);
        const got = new Float32Array(wanted.length);
        if (used) got.fill(9, 6, 6 + rows * stride * 3);
        writeRows(rgb, { height: h, width: w }, table, got, used ? { ...place, rows } : place);
        expect(got).toEqual(wanted);
      },
    ),
  );
});

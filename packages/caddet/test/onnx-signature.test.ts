import { joinMessage, type Message, message, writeInt, writeMessage, writeText } from "@caddet/core/protobuf";
import { describe, expect, it } from "vitest";
import { onnxSignature } from "../src/onnx-signature";

const build = (write: (to: Message) => void): Message => {
  const made = message();
  write(made);
  return made;
};

function value(name: string, type: number, shape: readonly (number | string | null)[]): Message {
  const dimension = (size: number | string | null) =>
    build((to) => {
      if (typeof size === "number") writeInt(to, 1, size);
      if (typeof size === "string") writeText(to, 2, size);
    });
  const dimensions = build((to) => {
    for (const size of shape) writeMessage(to, 1, dimension(size));
  });
  const tensor = build((to) => {
    writeInt(to, 1, type);
    writeMessage(to, 2, dimensions);
  });
  return build((to) => {
    writeText(to, 1, name);
    writeMessage(
      to,
      2,
      build((at) => writeMessage(at, 1, tensor)),
    );
  });
}

const model = joinMessage(
  build((to) => {
    writeInt(to, 1, 8);
    writeText(to, 2, "somebody");
    writeMessage(
      to,
      7,
      build((graph) => {
        writeText(graph, 2, "a graph");
        writeMessage(graph, 11, value("images", 1, ["batch", 300, null, 3]));
        writeMessage(graph, 12, value("labels", 6, ["n"]));
        writeMessage(graph, 12, value("scalar", 11, []));
      }),
    );
  }),
);

describe("onnxSignature", () => {
  it("reads names, types and shapes", () => {
    expect(onnxSignature(model, "a.onnx")).toEqual({
      inputs: [{ name: "images", type: "float32", shape: ["batch", 300, "?", 3] }],
      outputs: [
        { name: "labels", type: "int32", shape: ["n"] },
        { name: "scalar", type: "float64", shape: [] },
      ],
    });
  });

  it("refuses a file that is cut, and says which", () => {
    for (let n = model.length - 1; n > 12; n--) {
      expect(() => onnxSignature(model.subarray(0, n), "cut.onnx"), `${n} bytes`).toThrow(/^cut\.onnx is no ONNX file/);
    }
  });
});

import { defineConfig } from "tsup";
import { packageBuild } from "../../tsup.base";

export default defineConfig(
  packageBuild({ index: "src/index.ts", base: "src/base.ts", protobuf: "src/protobuf.ts", schema: "src/schema.ts" }),
);

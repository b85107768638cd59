// The program: flags, a detector, a server, and an end on SIGTERM. Usage: npx tsx examples/detect-server/src/main.ts --model runs/demo
// [--port 8080] …; the README lists the flags. The second signal ends it at once.
import { createDetector } from "@caddet/inferencer/node";
import { collectDefaultMetrics } from "prom-client";
import { type Flags, parseFlags } from "./flags";
import { createServer } from "./server";

function fail(error: unknown, status: number): never {
  process.stderr.write(`${error instanceof Error ? error.message : String(error)}\n`);
  process.exit(status);
}

function flagsOrEnd(): Flags {
  try {
    return parseFlags(process.argv.slice(2));
  } catch (error) {
    return fail(error, 2);
  }
}

const { model, engine, backend, batch, delayMs, limits, logLevel, host, port } = flagsOrEnd();
const inferencer = createDetector({
  run: model,
  engine,
  backend,
  batch: { delayMs, ...(batch === undefined ? {} : { images: batch }) },
});
const server = createServer({ inferencer, limits, logLevel });
collectDefaultMetrics({ register: server.metrics.registry });

const stop = () => {
  for (const signal of ["SIGTERM", "SIGINT"]) process.off(signal, stop);
  server.app.log.info("stopping");
  server.stop().then(
    () => server.app.log.info("stopped"),
    (error: unknown) => fail(error, 1),
  );
};
for (const signal of ["SIGTERM", "SIGINT"]) process.on(signal, stop);

await server.app.listen({ host, port }).catch((error: unknown) => fail(error, 1));
const { engine: name, device } = await inferencer.catch((error: unknown) => fail(error, 1));
server.app.log.info({ engine: name, device }, "ready");

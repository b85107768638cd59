// What is counted, as Prometheus reads it. A registry of its own, so that two servers in one process do not add up.
import type { InferenceResult } from "@caddet/inferencer";
import { Counter, Gauge, Histogram, Registry } from "prom-client";
import type { ProblemCode } from "./http-error";

/** What the server counts. */
export interface Metrics {
  /** A detection that was answered, and how long it took from headers to answer. */
  answered(result: InferenceResult, seconds: number): void;
  /** A request that failed. */
  failed(code: ProblemCode): void;
  /** The text of `GET /metrics`. */
  text(): Promise<string>;
  readonly contentType: string;
  readonly registry: Registry;
}

const SECONDS = [0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10];
const IMAGES = [1, 2, 4, 8, 16, 32];

/**
 * Makes the metrics.
 *
 * @param gauges what is looked up when the metrics are read
 * @returns counters, all at zero
 */
export function createMetrics({ inFlight, ready }: { inFlight(): number; ready(): boolean }): Metrics {
  const registry = new Registry();
  const registers = [registry];
  const requests = new Counter({
    name: "caddet_requests_total",
    help: "Requests for detections and failed requests, by outcome.",
    labelNames: ["code"],
    registers,
  });
  const latency = new Histogram({
    name: "caddet_request_seconds",
    help: "From headers to answer, of answered detections.",
    buckets: SECONDS,
    registers,
  });
  const batch = new Histogram({
    name: "caddet_batch_images",
    help: "Images in the batch that an image ran in, once an image.",
    buckets: IMAGES,
    registers,
  });
  const madds = new Counter({
    name: "caddet_madds_total",
    help: "Executed multiply-adds of blocks and paths, of answered detections.",
    registers,
  });
  const paths = new Counter({
    name: "caddet_open_paths_total",
    help: "Open paths, of answered detections.",
    registers,
  });
  new Gauge({
    name: "caddet_in_flight",
    help: "Requests waiting or running.",
    registers,
    collect() {
      this.set(inFlight());
    },
  });
  new Gauge({
    name: "caddet_ready",
    help: "1 while detections are served.",
    registers,
    collect() {
      this.set(ready() ? 1 : 0);
    },
  });
  return {
    answered: (result, seconds) => {
      requests.inc({ code: "ok" });
      latency.observe(seconds);
      if (result.batch !== undefined) batch.observe(result.batch);
      madds.inc(result.madds ?? 0);
      paths.inc(result.openPaths ?? 0);
    },
    failed: (code) => requests.inc({ code }),
    text: () => registry.metrics(),
    contentType: registry.contentType,
    registry,
  };
}

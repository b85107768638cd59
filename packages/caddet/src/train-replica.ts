// What each thread of `caddet train --replicas` runs. It gets no signals: the thread that started it tells it to stop.
import type { Module } from "@caddet/core";
import { syncBatchNorm } from "@caddet/distributed";
import { replica } from "@caddet/distributed/node";
import { createOutput } from "./output";
import type { ReplicaData } from "./replicated-training";
import { type RankSummary, trainRank } from "./training-rank";

void replica<ReplicaData, RankSummary>(({ collective, stop, data: { order, terminal } }) => {
  const stderr = { ...terminal, write: (text: string) => process.stderr.write(text) };
  const syncNorms = (detector: Module) => void syncBatchNorm(detector, collective);
  return trainRank(order, createOutput(process.stdout, stderr), { collective, stop, syncNorms });
});

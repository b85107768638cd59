// Every public name of @caddet/distributed; threads of Node are under @caddet/distributed/node.
export { type CollectiveMemory, type CollectiveMemoryOptions, collectiveMemory } from "./collective-memory";
export { CollectiveError, type CollectiveFailure, ReplicaError } from "./errors";
export { syncBatchNorm } from "./sync-batch-norm";
export { type ThreadCollective, type ThreadCollectiveOptions, threadCollective } from "./thread-collective";

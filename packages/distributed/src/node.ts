// What of @caddet/distributed needs Node: replicas in worker threads.
export { type ReplicaContext, replica } from "./replica";
export { type RunReplicasOptions, runReplicas } from "./run-replicas";

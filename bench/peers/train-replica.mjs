// A thread of train-replicas.ts: threads do not take over tsx from their process.
import { register } from "tsx/esm/api";

register();
await import("./train-replicas.ts");

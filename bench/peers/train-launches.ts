// Counts kernel launches on the current backend, as it is and with @caddet's fused kernels put aside.
import * as tf from "@tensorflow/tfjs-core";

interface NativeBackend {
  binding?: Record<"executeOp" | "runSavedModel", (...call: unknown[]) => unknown>;
  recordAndSubmit?(...call: unknown[]): unknown;
}

// Of no work: they hand the same data on.
const FREE = new Set<string>([tf.Identity, tf.Reshape]);

/**
 * Counts what `run` launches: operations of libtensorflow and graphs on tfjs-node, dispatches on webgpu; elsewhere kernels that
 * call no other kernel, without those that only hand data on.
 */
export async function countLaunches(run: () => Promise<unknown>): Promise<number> {
  let launches = 0;
  const native = tf.backend() as unknown as NativeBackend;
  const { binding } = native;
  if (binding) {
    // The addon's functions are read-only.
    const counted = (name: "executeOp" | "runSavedModel") => ({
      value: (...call: unknown[]) => {
        launches++;
        return binding[name](...call);
      },
    });
    const counting = Object.create(binding, {
      executeOp: counted("executeOp"),
      runSavedModel: counted("runSavedModel"),
    }) as typeof binding;
    native.binding = counting;
    await run().finally(() => {
      native.binding = binding;
    });
    return launches;
  }
  const { recordAndSubmit } = native;
  if (recordAndSubmit) {
    native.recordAndSubmit = (...call) => {
      launches++;
      return recordAndSubmit.apply(native, call);
    };
    // The inherited one is there again.
    await run().finally(() => delete native.recordAndSubmit);
    return launches;
  }
  const engine = tf.engine() as unknown as { runKernel(name: string, ...rest: unknown[]): unknown };
  const original = engine.runKernel;
  // For each kernel that runs now, whether it has called another.
  const open: boolean[] = [];
  engine.runKernel = function (this: unknown, ...call: [string, ...unknown[]]) {
    if (open.length > 0) open[open.length - 1] = true;
    open.push(false);
    try {
      return original.apply(this, call);
    } finally {
      if (!open.pop() && !FREE.has(call[0])) launches++;
    }
  };
  await run().finally(() => {
    engine.runKernel = original;
  });
  return launches;
}

/** Runs with the compositions of @caddet's operations, whatever kernels the backend has for them. */
export async function withoutFusion<T>(run: () => Promise<T>): Promise<T> {
  const backend = tf.getBackend();
  const fused = tf.getKernelsForBackend(backend).filter(({ kernelName }) => kernelName.startsWith("Caddet"));
  for (const { kernelName } of fused) tf.unregisterKernel(kernelName, backend);
  try {
    return await run();
  } finally {
    for (const config of fused) {
      if (tf.getKernel(config.kernelName, backend)) tf.unregisterKernel(config.kernelName, backend);
      tf.registerKernel(config);
    }
  }
}

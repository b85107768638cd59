// A process that stays: it is asked in lines of JSON on its stdin and answers each with one line on its stdout. It keeps weights and
// warm caches between the rounds of a benchmark, and sleeps while others are measured.
import { spawn } from "node:child_process";
import { createInterface } from "node:readline";

/** A running process. */
export interface LineProcess {
  /** Its first line, printed once it is ready. */
  readonly greeting: unknown;
  /** Sends a value, and waits for the answer. One at a time. */
  ask(value: unknown): Promise<unknown>;
  /** Ends it. */
  stop(): Promise<void>;
}

/**
 * Starts a process and waits for its first line.
 *
 * @param command the program and its arguments; no shell
 * @param env added to the environment
 * @returns the process; stop it when done
 * @throws when it cannot be started, or ends before it has answered; the message has the end of its stderr
 * @example const peer = await startLineProcess(["python3", "peer.py"]); await peer.ask({ runs: 3 })
 */
export async function startLineProcess(
  command: readonly string[],
  env: Readonly<Record<string, string>> = {},
): Promise<LineProcess> {
  const [program, ...args] = command;
  const child = spawn(program!, args, { env: { ...process.env, ...env }, stdio: ["pipe", "pipe", "pipe"] });
  let errors = "";
  child.stderr.setEncoding("utf8").on("data", (piece: string) => {
    errors = (errors + piece).slice(-2000);
  });
  let failure: Error | undefined;
  child.once("error", (cause) => {
    failure = cause;
  });
  // A write to a process that has ended: its missing answer tells.
  child.stdin.on("error", () => {});
  const ended = new Promise<void>((resolve) => child.once("close", () => resolve()));
  const lines = createInterface({ input: child.stdout })[Symbol.asyncIterator]();
  const read = async (): Promise<unknown> => {
    const { value, done } = await lines.next();
    if (!done) return JSON.parse(value);
    await ended;
    throw new Error(`${command.join(" ")} ended without an answer: ${failure?.message ?? errors.trim()}`);
  };
  const greeting = await read();
  return {
    greeting,
    ask: (value) => {
      child.stdin.write(`${JSON.stringify(value)}\n`);
      return read();
    },
    stop: async () => {
      child.stdin.end();
      await ended;
    },
  };
}

// The command line as a function, for programs that want to call it.
export { main } from "./cli";
export { createOutput, type Output } from "./output";

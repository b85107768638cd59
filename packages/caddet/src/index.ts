// The command line as a function, for programs that want to call it, and the model that comes along.
export { BUNDLED_MODEL } from "./bundled-model";
export { main } from "./cli";
export { createOutput, type Output } from "./output";

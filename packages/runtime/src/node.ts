// The public names of @caddet/runtime/node: which backends are here, and making one ready.
export { BACKENDS, type BackendName } from "./node/backend-name";
export { type GraphRecorder, graphRecorder } from "./node/graphs";
export { type BackendReport, type BackendReports, inspectBackends } from "./node/inspect";
export { type InstallNativeOptions, installNative, type NativeInstall } from "./node/native/install";
export { type PreparedBackend, type PrepareOptions, prepareBackend } from "./node/prepare";

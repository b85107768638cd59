// Every public name of @caddet/inferencer/node.
export { openImage } from "./open-image";

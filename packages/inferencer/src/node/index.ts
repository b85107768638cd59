// Where images and frames come from in Node: the part of @caddet/inferencer/node that reads files.
export { FfmpegMissingError } from "./ffmpeg";
export { type ImageFilesOptions, imageFiles } from "./image-files";
export { type ImageFault, openImage } from "./open-image";
export { type VideoFrameSource, type VideoFramesOptions, videoFrames } from "./video-frames";

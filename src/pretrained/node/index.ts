/** Downloads of published weights. Includes everything of `pretrained`. */
export * from "../index.ts";
export { type PretrainedOptions, pretrained } from "./download.ts";

/** Published weights: what is known of them. Imports `graph`, `models` and `data`; getting the files is in node.ts. */
export { IMAGENET_CLASSES } from "./imagenet.ts";
export {
  PRETRAINED,
  type PretrainedName,
  type PublishedWeights,
  publishedMetadata,
  publishedWeights,
} from "./registry.ts";

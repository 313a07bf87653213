/** Published weights: what is known of them. Imports `graph`, `models` and `data`; getting the files is in node.ts. */
export { IMAGENET_CLASSES } from "./imagenet.ts";
export {
  namedWeights,
  PRETRAINED,
  type PretrainedName,
  type PublishedWeights,
  publishedMetadata,
  publishedVersions,
  publishedWeights,
} from "./registry.ts";

/** Models of TensorFlow.js on disk, and whatever file holds a whole network. Includes everything of `tfjs`. */
export * from "../index.ts";
export { readTfjs, readTfjsFacts, tfjsFile } from "./files.ts";
export { type ImageForm, imageForm, imageModule } from "./image-module.ts";
export {
  type ImportOptions,
  isImported,
  readImported,
  readImportedFacts,
  readImportedModule,
  readTfjsModule,
} from "./imported.ts";
export { isKeras, readKeras, readKerasFacts } from "./keras-files.ts";

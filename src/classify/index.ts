/** Classifying pictures. Imports `data`, `graph`, `nn`, `runtime` and `train`. */
export {
  type Classifier,
  type ClassifierOptions,
  classifier,
  imagenetPreprocessing,
  type Prediction,
} from "./classifier.ts";

/** Classifying images. Imports `data`, `graph`, `infer`, `nn` and `runtime`. */
export {
  type Classifier,
  type ClassifierOptions,
  classifier,
  imagenetPreprocessing,
  type Prediction,
} from "./classifier.ts";
export {
  preprocess,
  ranked,
  type ScoredPreprocessing,
  type ToldPreprocessing,
  type UsualPreprocessing,
  usualPreprocessing,
} from "./preprocessing.ts";

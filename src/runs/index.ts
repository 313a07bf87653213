/** Trainings described by a config: its schema, the recipes, and what `fit` is told. Runs in folders are in `node`. */
export { chooseInit, fitOptions, freeze, loadForFineTuning } from "./build.ts";
export { INITS, parseConfig, type TrainConfig, type TrainConfigInput, trainConfigSchema } from "./config.ts";
export { type DataFacts, recipe } from "./recipes.ts";

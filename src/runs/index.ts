/** Trainings described by a config: its schema, the recipes, and the options of `fit`. Runs in folders are in `node`. */
export { chooseInit, fitOptions, lossOf } from "./build.ts";
export { INITS, LOSSES, parseConfig, type TrainConfig, type TrainConfigInput, trainConfigSchema } from "./config.ts";
export { type DataFacts, recipe, scaledRate } from "./recipes.ts";

/** Classifying image files with networks from files. */
export * from "./classifier.ts";

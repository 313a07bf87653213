/** .onnx files on disk. Includes everything of `onnx`. */
export * from "../index.ts";
export { filesBeside, pathsBeside, readOnnx, readOnnxFacts, readOnnxModule } from "./files.ts";

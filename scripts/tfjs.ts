/**
 * Compares networks from TensorFlow.js with what TensorFlow.js computes, on images of random numbers:
 *
 *     npx tsx scripts/tfjs.ts FOLDER MODEL…
 *
 * FOLDER has `@tensorflow/tfjs` in its node_modules, and a MODEL is a model.json or the folder of one. For the models of nsfwjs, unpack
 * `npm pack nsfwjs@4.4.0` and name its folder `dist/models/mobilenet_v2` and the like, whose files are read as they are there.
 */
import { existsSync, readFileSync } from "node:fs";
import { createRequire } from "node:module";
import { join, resolve } from "node:path";
import { numel, type TensorData, tensor } from "../src/graph/index.ts";
import { compile } from "../src/infer/index.ts";
import { Random } from "../src/random.ts";
import { nodeEngine } from "../src/runtime/node/index.ts";
import { tfjsModule } from "../src/tfjs/index.ts";
import { tfjsFile } from "../src/tfjs/node/index.ts";

interface Files {
  readonly text: string;
  readonly read: (path: string) => Uint8Array;
}

/** A model's files; those of nsfwjs are modules with the bytes in base64. */
function filesOf(path: string): Files {
  const file = tfjsFile(path);
  if (file !== undefined)
    return { text: readFileSync(file, "utf8"), read: (name) => new Uint8Array(readFileSync(join(file, "..", name))) };
  if (!existsSync(join(path, "model.min.js"))) throw new Error(`${path}: neither a model.json nor a model of nsfwjs`);
  const load = (name: string): unknown => {
    const module = { exports: {} as unknown };
    new Function("module", "exports", readFileSync(join(path, `${name}.min.js`), "utf8"))(module, module.exports);
    return module.exports;
  };
  return {
    text: JSON.stringify(load("model")),
    read: (name) => new Uint8Array(Buffer.from(load(name) as string, "base64")),
  };
}

interface Theirs {
  predict(x: unknown): { dataSync(): Float32Array };
}
interface Tf {
  tensor4d(data: Float32Array, shape: readonly number[]): unknown;
  transpose(x: unknown, order: readonly number[]): unknown;
  loadGraphModel(from: object): Promise<Theirs>;
  loadLayersModel(from: object): Promise<Theirs>;
}

const [folder, ...models] = process.argv.slice(2);
if (folder === undefined || models.length === 0) throw new Error("usage: npx tsx scripts/tfjs.ts FOLDER MODEL…");
const tf = createRequire(resolve(folder, "x.js"))("@tensorflow/tfjs") as Tf;

async function compare(path: string): Promise<void> {
  const { text, read } = filesOf(path);
  const model = tfjsModule(text, read);
  const [[, [, C, H, W]]] = [...model.inputs] as [[string, [string, number, number, number]]];
  const random = new Random(1, "images");
  const shape = [2, C, H, W];
  const x = Float32Array.from({ length: numel(shape) }, () => random.uniform());
  const predict = await compile(model, { engine: nodeEngine() });
  const y = (await predict(tensor("float32", shape, x))) as TensorData<"float32">;
  await predict.dispose();
  const json = JSON.parse(text);
  const groups = json.weightsManifest as { paths: string[]; weights: object[] }[];
  const weightData = new Uint8Array(Buffer.concat(groups.flatMap(({ paths }) => paths).map(read))).buffer;
  const from = { load: async () => ({ ...json, weightSpecs: groups.flatMap(({ weights }) => weights), weightData }) };
  const theirs = await (Array.isArray(json.modelTopology.node) ? tf.loadGraphModel(from) : tf.loadLayersModel(from));
  const wanted = theirs.predict(tf.transpose(tf.tensor4d(x, shape), [0, 2, 3, 1])).dataSync();
  const worst = wanted.reduce((most, value, i) => Math.max(most, Math.abs(value - y.data[i]!)), 0);
  console.log(
    `${path}: ${groups.reduce((sum, { weights }) => sum + weights.length, 0)} weights, outputs [${y.shape}], largest difference ${worst.toExponential(1)}`,
  );
}

for (const path of models) await compare(path);

/** Pictures in, names of what they show out. */
import { applyTransforms, compileTransforms, type Image, NORMALIZATION, type Transform } from "../data/index.ts";
import { check, numel, type TensorData, tensor } from "../graph/index.ts";
import type { Module } from "../nn/index.ts";
import type { Engine } from "../runtime/index.ts";
import { Evaluator } from "../train/index.ts";

/** A class, and how sure the network is of it. */
export interface Prediction {
  /** Position among the classes. */
  readonly label: number;
  readonly name: string;
  /** 0 … 1; those of all classes sum to 1. */
  readonly probability: number;
}

export interface ClassifierOptions {
  readonly engine: Engine;
  /** Default: those of the network. */
  readonly weights?: ReadonlyMap<string, TensorData>;
  /** Names in the order of the labels. Default: "class 0", "class 1", … */
  readonly classes?: readonly string[];
  /** What is done to pictures before the network. Default: `imagenetPreprocessing()`. */
  readonly preprocessing?: readonly Transform[];
  /** How many classes to give, the most likely first. Default 5. */
  readonly topk?: number;
}

/** Classifies what it is called with; made by `classifier`. */
export interface Classifier<Picture = Image> {
  (picture: Picture): Promise<Prediction[]>;
  /** Several at once, as prepared numbers [N, C, H, W]. */
  batch(images: TensorData): Promise<Prediction[][]>;
  /** What the network gives is compared with these names at the first picture; empty where there are none. */
  readonly classes: readonly string[];
  readonly preprocessing: readonly Transform[];
  dispose(): Promise<void>;
}

/**
 * How torchvision prepares pictures for the weights that it publishes: the shorter side to 256 pixels for a crop of 224
 * (in that proportion for others), then ImageNet's mean and standard deviation.
 */
export function imagenetPreprocessing(size = 224): readonly Transform[] {
  return [
    { resize: { size: Math.round((size * 256) / 224) } },
    { centerCrop: { size } },
    "toTensor",
    { normalize: NORMALIZATION.imagenet },
  ];
}

/**
 * Makes a network classify pictures.
 *
 *     const classify = await classifier(model, { engine, classes: ["cat", "dog"], preprocessing });
 *     const [{ name, probability }] = await classify(image);
 *
 * The network is compiled at the first picture, for its size. A tensor [C, H, W] passes by the preprocessing.
 */
export async function classifier(model: Module, options: ClassifierOptions): Promise<Classifier<Image | TensorData>> {
  const { engine, weights = model.stateDict(), classes = [], topk = 5 } = options;
  const { preprocessing = imagenetPreprocessing() } = options;
  check(Number.isInteger(topk) && topk >= 1, () => `classifier: topk must be a whole number ≥ 1, got ${topk}`);
  const pipeline = compileTransforms(preprocessing);
  const compiled = new Map<string, Promise<Evaluator>>();

  const evaluatorFor = (shape: readonly number[]) => {
    const key = String(shape);
    const known = compiled.get(key);
    if (known) return known;
    const made = Evaluator.create(model, { engine, input: ["N", ...shape], weights }).then((evaluator) => {
      const count = evaluator.numClasses;
      if (classes.length === 0 || classes.length === count) return evaluator;
      throw new Error(`classifier: there are ${classes.length} names, but the network tells ${count} classes apart`);
    });
    compiled.set(key, made);
    made.catch(() => compiled.delete(key));
    return made;
  };

  const batch = async (images: TensorData): Promise<Prediction[][]> => {
    const [N, ...shape] = images.shape;
    check(N !== undefined && shape.length === 3, () => "classifier: a batch has to be [N, C, H, W]");
    const { data } = await (await evaluatorFor(shape)).predict(images);
    const log = data as Float32Array;
    return Array.from({ length: N }, (_, n) =>
      top(log.subarray((n * log.length) / N, ((n + 1) * log.length) / N), topk).map((label) => ({
        label,
        name: classes[label] ?? `class ${label}`,
        probability: Math.exp(log[(n * log.length) / N + label]!),
      })),
    );
  };

  const classify = async (picture: Image | TensorData): Promise<Prediction[]> => {
    const { shape, data } = "dtype" in picture ? picture : applyTransforms(pipeline, picture);
    check(
      shape.length === 3 && data instanceof Float32Array && data.length === numel(shape),
      () => "classifier: a tensor has to be float32 [C, H, W]",
    );
    const [found] = await batch(tensor("float32", [1, ...shape], data));
    return found!;
  };

  const dispose = async () => {
    const evaluators = await Promise.allSettled(compiled.values());
    compiled.clear();
    for (const made of evaluators) if (made.status === "fulfilled") await made.value.dispose();
  };

  return Object.assign(classify, { batch, classes, preprocessing, dispose });
}

/** Positions of the k largest numbers, the largest first, the earlier of equals first. */
function top(numbers: Float32Array, k: number): number[] {
  const labels = Array.from(numbers, (_, i) => i);
  return labels.sort((a, b) => numbers[b]! - numbers[a]! || a - b).slice(0, k);
}

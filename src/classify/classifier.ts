import { applyTransforms, compileTransforms, type Image, NORMALIZATION, type Transform } from "../data/index.ts";
import { check, checkOptions, formatShape, type TensorData, tensor } from "../graph/index.ts";
import { Forms, type Numbers, numbers } from "../infer/index.ts";
import { labelProbabilities, logProbabilities, type Module, mainOutput, outputForm } from "../nn/index.ts";
import type { Engine } from "../runtime/index.ts";

/** A class, and how likely the network takes it to be. */
export interface Prediction {
  /** Position in the list of classes. */
  readonly label: number;
  readonly name: string;
  /** 0 … 1; the probabilities of all classes sum to 1, unless an image can have several labels. */
  readonly probability: number;
}

/** Options of `classifier`. */
export interface ClassifierOptions {
  readonly engine: Engine;
  /** Default: the weights that the network has. */
  readonly weights?: ReadonlyMap<string, TensorData>;
  /** Names in the order of the labels. Default: "class 0", "class 1", … */
  readonly classes?: readonly string[];
  /**
   * What is done to images before the network. Default: `imagenetPreprocessing()` for the size and normalization that the network
   * describes (`spec`), else for 224.
   */
  readonly preprocessing?: readonly Transform[];
  /** How many classes to return, the most likely first. Default 5. */
  readonly topk?: number;
  /**
   * What the outputs mean: one class per image, or several labels, each with a probability of its own. Default: labels if the network
   * ends in a sigmoid, else classes.
   */
  readonly task?: "classes" | "labels";
}

export interface ClassifyAllOptions {
  /** Images that run together. Default 32. */
  readonly batchSize?: number;
}

/** Classifies the image it is called with; made by `classifier`. */
export interface Classifier<Picture = Image> {
  (picture: Picture): Promise<Prediction[]>;
  /**
   * Any number of images, run as batches, which is many times faster than one by one. The answers are in the order of the images.
   *
   *     const answers = await classify.all(files);
   */
  all(pictures: Iterable<Picture>, options?: ClassifyAllOptions): Promise<Prediction[][]>;
  /** One batch of numbers [N, C, H, W] that are preprocessed already. */
  batch(images: Numbers): Promise<Prediction[][]>;
  /** Empty if nobody names them. Their number is compared with the network's outputs at the first image. */
  readonly classes: readonly string[];
  readonly preprocessing: readonly Transform[];
  /** Gives the engine's memory back. */
  dispose(): Promise<void>;
}

/** Side up to which images are not cropped, in pixels. */
const WHOLE = 96;

/**
 * How torchvision prepares images for the weights that it publishes: the shorter side to 256 pixels and a crop of 224 (in the same
 * proportion for other sizes), then ImageNet's mean and standard deviation. For 96 pixels or fewer, the shorter side becomes `size`:
 * networks for small images, such as CIFAR's, see all of them.
 */
export function imagenetPreprocessing(size = 224): readonly Transform[] {
  return [
    { resize: { size: size > WHOLE ? Math.round((size * 256) / 224) : size } },
    { centerCrop: { size } },
    "toTensor",
    { normalize: NORMALIZATION.imagenet },
  ];
}

/** The usual preprocessing for the size and the normalization that a network says it is made for. */
function preprocessingOf({ spec: { inputSize, normalization } = {} }: Module): readonly Transform[] {
  const steps = imagenetPreprocessing(inputSize);
  return normalization ? [...steps.slice(0, -1), { normalize: normalization }] : steps;
}

/**
 * Makes a network classify images.
 *
 *     const classify = await classifier(model, { engine, classes: ["cat", "dog"], preprocessing });
 *     const [{ name, probability }] = await classify(image);
 *     const answers = await classify.all(images);
 *
 * The network is compiled at the first image, for its size after the preprocessing. A tensor [C, H, W] skips the preprocessing.
 *
 * Throws if the number of classes is not that of the network, and for an image of another size than the first.
 */
export async function classifier(model: Module, options: ClassifierOptions): Promise<Classifier<Image | TensorData>> {
  checkOptions("classifier", options, ["engine", "weights", "classes", "preprocessing", "topk", "task"]);
  const { engine, weights = model.stateDict(), classes = [], topk = 5 } = options;
  const { preprocessing = preprocessingOf(model) } = options;
  check(Number.isInteger(topk) && topk >= 1, () => `classifier: topk must be a whole number ≥ 1, got ${topk}`);
  const pipeline = compileTransforms(preprocessing);
  const forms = new Forms(model, {
    engine,
    weights,
    who: "classifier",
    heads(outputs) {
      const main = mainOutput(outputs);
      const { task = outputForm(main).form === "sigmoid" ? "labels" : "classes" } = options;
      return task === "labels"
        ? { probabilities: labelProbabilities(main) }
        : { log_probabilities: logProbabilities(main) };
    },
  });
  let size: readonly number[] | undefined;

  const batch = async (images: Numbers): Promise<Prediction[][]> => {
    const input = numbers("classifier", "images", images);
    const [N, ...shape] = input.shape;
    check(
      N !== undefined && shape.length === 3,
      () => `classifier: a batch has to be [N, C, H, W], but is ${formatShape(images.shape)}`,
    );
    size ??= shape;
    check(
      String(shape) === String(size),
      () =>
        `classifier: an image is ${formatShape(shape)} after preprocessing, but those before were ${formatShape(size!)}; bring all to one size: preprocessing: [{ resize: { size: [${size!.slice(1).join(", ")}] } }, …]`,
    );
    const { log_probabilities, probabilities = log_probabilities! } = await forms.run({ input });
    const [, K] = probabilities.shape as [number, number];
    check(
      classes.length === 0 || classes.length === K,
      () => `classifier: the network has ${K} outputs, but ${classes.length} classes are named`,
    );
    // logarithms tell classes apart whose probabilities round to the same number
    const ranks = probabilities.data as Float32Array;
    const probabilityOf = (rank: number) => (log_probabilities ? Math.exp(rank) : rank);
    return Array.from({ length: N }, (_, n) =>
      top(ranks.subarray(n * K, (n + 1) * K), topk).map((label) => ({
        label,
        name: classes[label] ?? `class ${label}`,
        probability: probabilityOf(ranks[n * K + label]!),
      })),
    );
  };

  const prepare = (picture: Image | TensorData): TensorData<"float32"> => {
    const { shape, data } = "shape" in picture ? picture : applyTransforms(pipeline, picture);
    check(
      shape.length === 3,
      () => `classifier: an image as a tensor has to be float32 [C, H, W], but is ${formatShape(shape)}`,
    );
    return numbers("classifier", "image", { ...("dtype" in picture && { dtype: picture.dtype }), shape, data });
  };

  const all: Classifier<Image | TensorData>["all"] = async (pictures, { batchSize = 32 } = {}) => {
    const answers: Prediction[][] = [];
    for (const group of groups(pictures, batchSize)) answers.push(...(await batch(stacked(group.map(prepare)))));
    return answers;
  };

  const classify = async (picture: Image | TensorData): Promise<Prediction[]> => {
    const [found] = await batch(stacked([prepare(picture)]));
    return found!;
  };

  return Object.assign(classify, { all, batch, classes, preprocessing, dispose: () => forms.dispose() });
}

/** Images [C, H, W] of one size as [N, C, H, W]. */
function stacked(images: readonly TensorData<"float32">[]): TensorData<"float32"> {
  const [first] = images;
  const length = first!.data.length;
  const data = new Float32Array(images.length * length);
  for (const [n, image] of images.entries()) {
    check(
      String(image.shape) === String(first!.shape),
      () =>
        `classifier: image ${n} of a batch is ${formatShape(image.shape)} after preprocessing, the first ${formatShape(first!.shape)}; end the preprocessing with a resize to [height, width] or a crop`,
    );
    data.set(image.data, n * length);
  }
  return tensor("float32", [images.length, ...first!.shape], data);
}

/** Consecutive elements, `size` at a time. */
export function* groups<T>(items: Iterable<T>, size: number): Generator<T[]> {
  check(Number.isInteger(size) && size >= 1, () => `classify.all: batchSize has to be a whole number ≥ 1, not ${size}`);
  let group: T[] = [];
  for (const item of items) {
    group.push(item);
    if (group.length < size) continue;
    yield group;
    group = [];
  }
  if (group.length > 0) yield group;
}

/** Positions of the k largest numbers, the largest first; of equal ones the earlier first. */
function top(numbers: Float32Array, k: number): number[] {
  const labels = Array.from(numbers, (_, i) => i);
  return labels.sort((a, b) => numbers[b]! - numbers[a]! || a - b).slice(0, k);
}

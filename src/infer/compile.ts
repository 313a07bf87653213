import { check, checkOptions, type TensorData } from "../graph/index.ts";
import { type Module, mainOutputName, type Output, type Tensor } from "../nn/index.ts";
import type { Engine } from "../runtime/index.ts";
import { Forms } from "./forms.ts";
import { kind, type Numbers, numbers } from "./numbers.ts";

/** The numbers that a network with these outputs gives: one tensor, or one for each name. */
export type Predicted<Out extends Output> = Out extends Tensor
  ? TensorData<"float32">
  : { readonly [Name in keyof Out]: TensorData<"float32"> };

/** Options of `compile`. */
export interface PredictorOptions {
  readonly engine: Engine;
  /** Numbers by key. Default: those that the network has now; a later training does not change them. */
  readonly weights?: ReadonlyMap<string, TensorData>;
  /** Names of the inputs, in the order of `forward`. Default: those of an .onnx file; others are named by what they are given. */
  readonly inputs?: readonly string[];
}

/** One input, or several by name. */
export type PredictorInput = Numbers | Readonly<Record<string, Numbers>>;

/** A network that is ready to compute; made by `compile`. */
export interface Predictor<Out extends Output = Output> {
  /** All outputs: a tensor, or a record of them by name if `forward` returns a record. */
  (inputs: PredictorInput): Promise<Predicted<Out>>;
  /** Only the main output: `logits`, else `output`, else the first. */
  main(inputs: PredictorInput): Promise<TensorData<"float32">>;
  /** Gives the engine's memory back. */
  dispose(): Promise<void>;
}

/**
 * Makes a network compute: the counterpart of PyTorch's `model.eval()` and `model(x)`.
 *
 *     const predict = await compile(model, { engine });
 *     const scores = await predict(tensor("float32", [2, 3, 32, 32], pixels)); // [2, classes]
 *
 *     x [N, C, H, W] → y [N, …] as `forward` returns it; any N
 *
 * It is always the evaluation form that runs: no dropout, running statistics. The network is compiled for the size of the images
 * when the first ones come, and again for other sizes; the size of the batch is open. Inputs may be tensors, or objects with a shape and
 * a plain array. Several inputs are given by name, in the order of `forward` unless `inputs` names them: `predict({ image, mask })`.
 *
 * Throws if an input is missing, is not float32, or does not fit the network; after `dispose`, too.
 */
export async function compile<Out extends Output>(
  model: Module<Out>,
  options: PredictorOptions,
): Promise<Predictor<Out>> {
  checkOptions("compile", options, ["engine", "weights", "inputs"]);
  const { engine, weights = model.stateDict(), inputs: names = inputNames(model) } = options;
  check(
    typeof engine?.compile === "function",
    () => "compile: an engine is needed: compile(model, { engine: nodeEngine() }), from convnets/node",
  );
  const forms = new Forms(model as Module, { engine, weights, who: "predict" });

  const run = (inputs: PredictorInput) => forms.run(named(inputs, names));
  const predict = async (inputs: PredictorInput) => {
    const results = await run(inputs);
    // a single tensor is called "output" where a graph needs a name
    const [name, ...others] = Object.keys(results);
    return (name === "output" && others.length === 0 ? results.output : results) as Predicted<Out>;
  };
  const main = async (inputs: PredictorInput) => {
    const results = await run(inputs);
    return results[mainOutputName(Object.keys(results))] as TensorData<"float32">;
  };
  return Object.assign(predict, { main, dispose: () => forms.dispose() });
}

/** Names of the inputs of a network from an .onnx file. */
function inputNames(model: Module<Output>): readonly string[] | undefined {
  const inputs = "inputs" in model ? model.inputs : undefined;
  return kind(inputs) === "Map" ? [...(inputs as ReadonlyMap<string, unknown>).keys()] : undefined;
}

/** The inputs by name, in the order of `forward`. */
function named(given: PredictorInput, names: readonly string[] | undefined): Record<string, TensorData> {
  const isOne = kind(given) !== "Object" || ("shape" in given && "data" in given);
  const record = isOne ? { [names?.[0] ?? "input"]: given } : (given as Readonly<Record<string, unknown>>);
  const order = names ?? Object.keys(record);
  const missing = order.filter((name) => record[name] === undefined);
  const unknown = Object.keys(record).filter((name) => !order.includes(name));
  check(
    order.length > 0 && missing.length === 0 && unknown.length === 0,
    () =>
      `predict: ${[
        ...(order.length === 0 ? ["no input was given"] : []),
        ...(missing.length > 0 ? [`the input ${quoted(missing)} is missing`] : []),
        ...(unknown.length > 0 ? [`there is no input ${quoted(unknown)}`] : []),
      ].join(", and ")}${order.length > 0 ? `; the network takes ${quoted(order)}` : ""}`,
  );
  return Object.fromEntries(order.map((name) => [name, numbers("predict", name, record[name])]));
}

const quoted = (names: readonly string[]) => names.map((name) => `"${name}"`).join(", ");

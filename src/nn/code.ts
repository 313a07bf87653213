import { check } from "../graph/index.ts";
import { Module } from "./module.ts";
import { Parameter } from "./parameter.ts";

/** What the constructors of layers take before their options. Layers that are not listed take only options, or nothing. */
const ARGUMENTS: Readonly<Record<string, readonly string[]>> = {
  ...same(["inChannels", "outChannels", "kernelSize"], "Conv2d", "ConvTranspose2d"),
  ...same(["inFeatures", "outFeatures"], "Linear"),
  ...same(["numFeatures"], "BatchNorm1d", "BatchNorm2d", "InstanceNorm2d"),
  ...same(["numGroups", "numChannels"], "GroupNorm"),
  ...same(["normalizedShape"], "LayerNorm"),
  ...same(["size"], "LocalResponseNorm"),
  ...same(["kernelSize"], "MaxPool2d", "AvgPool2d"),
  ...same(["normType", "kernelSize"], "LPPool2d"),
  ...same(["outputSize"], "AdaptiveAvgPool2d", "AdaptiveMaxPool2d"),
  ...same(["p"], "Dropout", "Dropout2d", "StochasticDepth"),
  ...same(["negativeSlope"], "LeakyReLU"),
  ...same(["numParameters"], "PReLU"),
  ...same(["alpha"], "ELU", "CELU"),
  ...same(["minVal", "maxVal"], "Hardtanh"),
  ...same(["beta", "threshold"], "Softplus"),
  ...same(["dim"], "Softmax", "LogSoftmax"),
  ...same(["startDim", "endDim"], "Flatten"),
  ...same(["dim", "unflattenedSize"], "Unflatten"),
  ...same(["padding"], "ZeroPad2d", "ReflectionPad2d", "ReplicationPad2d"),
  ...same(["padding", "value"], "ConstantPad2d"),
  ...same(["upscaleFactor"], "PixelShuffle"),
  ...same(["groups"], "ChannelShuffle"),
};

function same(names: readonly string[], ...types: string[]): Record<string, readonly string[]> {
  return Object.fromEntries(types.map((type) => [type, names]));
}

const argumentsOf = ({ type }: Module): readonly string[] => ARGUMENTS[type] ?? [];

type Settings = Readonly<Record<string, unknown>>;

/**
 * A layer as the expression that builds it; settings that are the default are left out.
 *
 *     layerCode(model.conv1) === "new Conv2d(3, 64, 7, { stride: 2, padding: 3 })"
 *
 * Undefined for modules that contain others, which no expression of numbers builds.
 */
export function layerCode(module: Module): string | undefined {
  if (module.children().next().done !== true) return undefined;
  const settings = layerSettings(module);
  const names = argumentsOf(module).filter((name) => name in settings);
  const values = names.map((name) => settings[name]);
  const usual = usualSettings(module, values);
  const options = Object.entries(settings).filter(
    ([name, value]) => !(names as readonly string[]).includes(name) && text(value) !== text(usual[name]),
  );
  // trailing arguments that are the default are left out too
  while (
    names.length > 0 &&
    text(usualSettings(module, values.slice(0, names.length - 1))[names.at(-1)!]) === text(values[names.length - 1])
  )
    names.pop();
  const given = [
    ...values.slice(0, names.length).map(text),
    ...(options.length > 0 ? [`{ ${options.map(([name, value]) => `${name}: ${text(value)}`).join(", ")} }`] : []),
  ];
  return `new ${module.type}(${given.join(", ")})`;
}

/** Numbers, flags and sizes that a layer was made with, by name: `{ inChannels: 3, …, stride: 2, bias: true }`. */
export function layerSettings(module: Module): Settings {
  const settings: Record<string, unknown> = {};
  // in normalizations, `affine` decides
  const takesBias = /^(Conv|Linear$)/.test(module.type);
  const add = (values: object): void => {
    for (const [name, value] of Object.entries(values)) {
      if (name === "options" && value && typeof value === "object") add(value);
      else if (isPlain(value) || (Array.isArray(value) && value.every(isPlain))) settings[name] = value;
      else if (name === "bias" && takesBias) settings.bias = value instanceof Parameter;
    }
  };
  add(module);
  if (takesBias && !("bias" in settings)) settings.bias = false;
  return settings;
}

/**
 * A new layer of the same class, with some settings changed: `layerWith(conv, { stride: 2, outChannels: 96 })`. Names are those of
 * `layerSettings`; options of the class that have their default are names too. Its weights are new. Throws what the layer's
 * constructor throws, and for modules that contain others.
 */
export function layerWith(module: Module, changes: Settings): Module {
  check(
    module.children().next().done === true,
    () => `layerWith: ${module.type} contains other modules; change one of them instead`,
  );
  const settings = { ...layerSettings(module), ...changes };
  const positional = argumentsOf(module);
  const values = positional.filter((name) => name in settings).map((name) => settings[name]);
  const usual = usualSettings(module, values);
  const options = Object.entries(settings).filter(
    ([name, value]) => !positional.includes(name) && (name in changes || text(value) !== text(usual[name])),
  );
  const made = module.constructor as new (...values: readonly unknown[]) => Module;
  return new made(...values, ...(options.length > 0 ? [Object.fromEntries(options)] : []));
}

/** Those that a layer of this class has which is given nothing else. */
function usualSettings(module: Module, values: readonly unknown[]): Settings {
  try {
    const made: unknown = new (module.constructor as new (...values: readonly unknown[]) => unknown)(...values);
    return made instanceof Module ? layerSettings(made) : {};
  } catch {
    return {};
  }
}

const isPlain = (value: unknown) => value === null || /^(boolean|number|string)$/.test(typeof value);

function text(value: unknown): string {
  if (!Array.isArray(value)) return JSON.stringify(value) ?? "undefined";
  return value.length > 1 && value.every((item) => item === value[0])
    ? text(value[0])
    : `[${value.map(text).join(", ")}]`;
}

/** Changed settings of layers: how they are applied, and what to do where the network no longer fits. */
import { layerSettings, layerWith, type Module, namedOutputs, type Output, type Tensor, Tracer } from "convnets/nn";
import type { Loaded } from "./load.ts";
import type { Edit, Problem } from "./protocol.ts";

/** Replaces the layers that were changed. Throws, naming the layer, where a layer does not take the value. */
export function applyEdits(model: Module, edits: readonly Edit[]): void {
  const byPath = new Map<string, Record<string, number>>();
  for (const { path, setting, value } of edits) byPath.set(path, { ...byPath.get(path), [setting]: value });
  for (const [path, changes] of byPath) {
    const module = moduleAt(model, path);
    if (!module || path === "") throw new Error(`${path}: there is no such layer in this network`);
    try {
      replace(model, path, layerWith(module, changes));
    } catch (error) {
      throw new Error(`${path} (${module.type}): ${(error as Error).message}`);
    }
  }
}

export function moduleAt(model: Module, path: string): Module | undefined {
  for (const [at, module] of model.modules()) if (at === path) return module;
  return undefined;
}

/** Puts another layer in the place of one. */
export function replace(model: Module, path: string, layer: Module): void {
  const cut = path.lastIndexOf(".");
  const parent = moduleAt(model, path.slice(0, Math.max(0, cut)));
  Object.assign(parent!, { [path.slice(cut + 1)]: layer });
}

/** Notes the module that is called last, and the shape that it gets. */
class Watching extends Tracer {
  last: { readonly module: Module; readonly shape: readonly unknown[] } | undefined;

  override call<Out extends Output>(module: Module<Out>, inputs: readonly Tensor[]): Out {
    this.last = { module, shape: inputs[0]?.shape ?? [] };
    return super.call(module, inputs);
  }
}

/** Layers that are adapted at most, one after the other. */
const MOST = 400;

/** What does not fit, and the changes of later layers with which it does. */
export function problemOf({ model, input }: Loaded, edits: readonly Edit[], { message }: Error): Problem {
  const problem = { path: /^([\w.]+) \(/.exec(message)?.[1] ?? "", message };
  const changed = new Set(edits.map(({ path, setting }) => `${path} ${setting}`));
  const remedy: Edit[] = [];
  for (let i = 0; i < MOST; i++) {
    const tracer = new Watching(model);
    try {
      namedOutputs(tracer.call(model, [tracer.input("input", input)]));
      return { ...problem, remedy };
    } catch {
      const adapted = tracer.last && adaptedTo(model, tracer.last);
      // what the reader chose stays
      if (!adapted?.every(({ path, setting }) => !changed.has(`${path} ${setting}`))) return { ...problem, remedy: [] };
      try {
        applyEdits(model, adapted);
      } catch {
        return { ...problem, remedy: [] };
      }
      remedy.push(...adapted);
    }
  }
  return { ...problem, remedy: [] };
}

/** The changes with which a layer takes an input of this shape; undefined if its number of channels is not what is wrong. */
function adaptedTo(model: Module, { module, shape }: NonNullable<Watching["last"]>): Edit[] | undefined {
  const [path] = [...model.modules()].find(([, one]) => one === module) ?? [];
  const settings = layerSettings(module);
  const [channels, features] = [Number(shape[1]), Number(shape.at(-1))];
  const set = (setting: string, value: number): Edit[] =>
    settings[setting] === value ? [] : [{ path: path!, setting, value }];
  const { groups, inChannels } = settings;
  // a depthwise convolution has a group for each channel
  const edits =
    groups !== undefined && groups !== 1 && groups === inChannels
      ? ["inChannels", "outChannels", "groups"].flatMap((setting) => set(setting, channels))
      : "inChannels" in settings
        ? set("inChannels", channels)
        : "numFeatures" in settings
          ? set("numFeatures", channels)
          : "inFeatures" in settings
            ? set("inFeatures", features)
            : [];
  return edits.length > 0 && edits.every(({ value }) => Number.isInteger(value) && value > 0) ? edits : undefined;
}

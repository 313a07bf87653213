/** Sets of weights in an unpickled file, among what else people save beside them. */
import { Dict, Placeholder, Tuple } from "./pickle-objects.ts";
import { StoredTensor } from "./stored.ts";

/** Keys under which training scripts put the weights, beside the epoch, the optimizer and so on; the likelier first. */
const WRAPPERS = [
  ...["state_dict", "model_state_dict", "model", "net", "network", "module", "weights", "params"],
  ...["ema", "model_ema", "state_dict_ema", "ema_state_dict", "params_ema"],
];
/** Names of what is not weights. */
const NO_WEIGHTS = /optim|^opt$|sched|scaler|^amp$|callback|^loops$|rng/i;
const MAX_SETS = 32;

/** A part of a file that has weights in it; the key is a dotted path, "" for the whole file. */
export interface WeightSet {
  readonly key: string;
  readonly value: unknown;
  /** Entries that are left out, as those of the optimizer. */
  readonly without: ReadonlySet<string>;
}

export const isContainer = (value: unknown): value is Dict | Tuple | unknown[] | Placeholder =>
  value instanceof Dict || value instanceof Tuple || Array.isArray(value) || value instanceof Placeholder;

/** Whether an object is a module of PyTorch: it keeps parameters, buffers and modules. */
export const isModule = (value: unknown): boolean =>
  value instanceof Placeholder && ["_parameters", "_buffers", "_modules"].every((name) => value.attributes.has(name));

/** Whether an object is of a TorchScript archive. */
export const isScripted = (value: unknown): boolean =>
  value instanceof Placeholder && value.type.startsWith("__torch__.");

/** Entries by name, in order. Of a module its state dict's; of an object its attributes. */
export function entriesOf(value: Dict | Tuple | readonly unknown[] | Placeholder): [name: unknown, value: unknown][] {
  if (value instanceof Dict) return [...value.entries];
  if (value instanceof Tuple) return value.items.map((item, i) => [i, item]);
  if (value instanceof Placeholder) return objectEntries(value);
  return value.map((item, i) => [i, item]);
}

function objectEntries(object: Placeholder): [unknown, unknown][] {
  const { attributes } = object;
  if (isModule(object)) {
    const part = (name: string) => {
      const dict = attributes.get(name);
      return dict instanceof Dict ? [...dict.entries] : [];
    };
    const temporary = namesIn(attributes.get("_non_persistent_buffers_set"));
    const buffers = part("_buffers").filter(([name]) => !temporary.has(name));
    return [...part("_parameters"), ...buffers, ...part("_modules")];
  }
  const own = object.dict ? [...object.dict.entries] : [];
  const items = (object.items ?? []).map((item, i): [unknown, unknown] => [i, item]);
  if (own.length > 0 || items.length > 0) return [...own, ...items];
  if (object.state instanceof Dict || attributes.size > 0) return [...attributes];
  return isContainer(object.state) && !(object.state instanceof Placeholder) ? entriesOf(object.state) : [];
}

/** The items of a set, however the pickle's protocol makes it. */
function namesIn(set: unknown): ReadonlySet<unknown> {
  if (!(set instanceof Placeholder)) return new Set();
  const [given] = set.args instanceof Tuple ? set.args.items : [];
  return new Set([...(set.items ?? []), ...(Array.isArray(given) ? (given as unknown[]) : [])]);
}

function isOptimizer(name: unknown, value: unknown): boolean {
  if (typeof name === "string" && NO_WEIGHTS.test(name)) return true;
  if (value instanceof Placeholder) return /(^|\.)optim(\.|izer)/.test(value.type);
  return value instanceof Dict && value.entries.has("param_groups");
}

/** Which containers have a tensor in them, at any depth. Each is looked at once. */
function tensorFinder(): (value: unknown) => boolean {
  const known = new Map<unknown, boolean>();
  const find = (value: unknown, depth: number): boolean => {
    if (value instanceof StoredTensor) return true;
    if (!isContainer(value) || depth > 64) return false;
    const found = known.get(value);
    if (found !== undefined) return found;
    // one that contains itself has no more in it
    known.set(value, false);
    const has = entriesOf(value).some(([, inner]) => find(inner, depth + 1));
    known.set(value, has);
    return has;
  };
  return (value) => find(value, 0);
}

/** The sets of weights in a file, the one to take by default first. */
export function weightSets(root: unknown): WeightSet[] {
  const hasTensors = tensorFinder();
  const setsIn = (value: unknown, key: string, depth: number): WeightSet[] => {
    const whole: WeightSet = { key, value, without: new Set() };
    if (depth > 3 || !isContainer(value) || isModule(value) || isScripted(value)) return [whole];
    const entries = entriesOf(value);
    const optimizers = entries.filter(([name, inner]) => isContainer(inner) && isOptimizer(name, inner));
    const without = new Set(optimizers.map(([name]) => String(name)));
    const found = entries.filter(
      ([name, inner]) => typeof name === "string" && isContainer(inner) && !without.has(name) && hasTensors(inner),
    ) as [string, Dict][];
    const wrapped = found.filter(([name]) => WRAPPERS.includes(name));
    const below = ([name, inner]: [string, unknown]) => setsIn(inner, key === "" ? name : `${key}.${name}`, depth + 1);
    if (wrapped.length > 0 && !(value instanceof Tuple) && !Array.isArray(value)) {
      const order = (name: string) => (WRAPPERS.includes(name) ? WRAPPERS.indexOf(name) : WRAPPERS.length);
      const ordered = [...found].sort(([a], [b]) => order(a) - order(b));
      return ordered.flatMap(below).slice(0, MAX_SETS);
    }
    const all: WeightSet = { key, value, without };
    if (entries.some(([, inner]) => inner instanceof StoredTensor)) return [all];
    const [only, ...others] = found;
    if (only && others.length === 0 && isWrapper(only[1], entries.length)) return below(only);
    return [all, ...(others.length > 0 ? found.flatMap(below) : [])].slice(0, MAX_SETS);
  };
  return setsIn(root, "", 0);
}

/** Whether the only entry with weights is a whole set rather than one layer of several. */
function isWrapper(value: unknown, entries: number): boolean {
  if (isModule(value) || isScripted(value) || entries > 1) return true;
  return (
    value instanceof Dict && [...value.entries.keys()].some((name) => typeof name === "string" && name.includes("."))
  );
}

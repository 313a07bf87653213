/** Finds the weights of a file, and the plain values beside them. */
import type { TensorEntry } from "./checkpoint.ts";
import { describe, ensure, quote } from "./error.ts";
import { Dict, Global, Placeholder, Tuple } from "./pickle-objects.ts";
import { entriesOf, isContainer, isModule, isScripted, type WeightSet, weightSets } from "./sets.ts";
import { isReal, readType } from "./storage-types.ts";
import { StoredTensor } from "./stored.ts";

const MAX_DEPTH = 64;
const MAX_UNFOLDING = 16;

/** Tensors by dotted path, and the plain values beside them as text. */
export interface Found {
  readonly tensors: Map<string, StoredTensor>;
  readonly metadata: Map<string, string>;
  readonly notes: readonly string[];
  /** Where the tensors are from, and the keys of all sets, if there are several. */
  readonly key?: string;
  readonly sets: readonly string[];
}

/** Options of `findTensors`. */
interface Wanted {
  readonly key?: string | undefined;
  /** Of the pickle. */
  readonly bytes: number;
  readonly fits?: ((tensors: ReadonlyMap<string, TensorEntry>) => number) | undefined;
}

/**
 * The tensors of an unpickled file: those below `key` (a dotted path), or else the set that fits best. Their paths may take
 * MAX_UNFOLDING times the pickle's bytes, since containers that share parts may unfold to any number.
 */
export function findTensors(root: unknown, { key, bytes, fits }: Wanted): Found {
  if (key !== undefined) return { ...gather({ key, value: descend(root, key), without: new Set() }, bytes), sets: [] };
  const sets = weightSets(root);
  const gathered = fits && sets.length > 1 ? sets.map((set) => gather(set, bytes)) : [gather(sets[0]!, bytes)];
  const scores = gathered.map(({ tensors }) => (gathered.length > 1 ? fits!(entriesFor(tensors)) : 0));
  const best = scores.indexOf(Math.max(...scores));
  const { tensors, metadata, notes } = gathered[Math.max(0, best)]!;
  const taken = sets[Math.max(0, best)]!;
  const beside = new Map<string, string>();
  for (const [above] of pathTo(root, taken.key)) keepScalars(above, beside);
  const why = best > 0 ? "fits the network" : "is used";
  const choice = `the file holds several sets of weights, ${sets.map(({ key }) => name(key)).join(", ")}; ${name(taken.key)} ${why}; --key picks another`;
  return {
    tensors,
    metadata: new Map([...beside, ...metadata]),
    notes: [...(sets.length > 1 ? [choice] : []), ...notes],
    ...(taken.key !== "" && { key: taken.key }),
    sets: sets.length > 1 ? sets.map(({ key }) => key) : [],
  };
}

const name = (key: string) => (key === "" ? "all together" : quote(key));

function entriesFor(tensors: ReadonlyMap<string, StoredTensor>): ReadonlyMap<string, TensorEntry> {
  return new Map(
    [...tensors].map(([key, { dtype, shape, quantizer }]) => [
      key,
      { dtype: quantizer ? "float32" : isReal(dtype) ? readType(dtype) : "uint8", shape },
    ]),
  );
}

/** The containers above a part of the file. */
function pathTo(root: unknown, key: string): [container: unknown][] {
  const path: [unknown][] = [];
  for (let value = root, rest = key; rest !== ""; ) {
    path.push([value]);
    const found = isContainer(value) ? step(value, rest) : undefined;
    if (!found) break;
    [value, rest] = found;
  }
  return path;
}

/** The entry that a dotted path begins with, and the rest of the path; names may have dots in them. */
function step(container: Parameters<typeof entriesOf>[0], path: string): [value: unknown, rest: string] | undefined {
  const matches = entriesOf(container).filter(([key]) => path === String(key) || path.startsWith(`${String(key)}.`));
  const [found] = matches.sort(([a], [b]) => String(b).length - String(a).length);
  return found && [found[1], path.slice(String(found[0]).length + 1)];
}

function descend(root: unknown, key: string): unknown {
  let value = root;
  for (let rest = key; rest !== ""; ) {
    const found = isContainer(value) ? step(value, rest) : undefined;
    const inner = isContainer(value) ? entriesOf(value).map(([name]) => describe(name)) : [];
    ensure(
      found,
      () =>
        `torch: there is no ${quote(key)} in the file; ${rest === key ? "it" : quote(key.slice(0, -rest.length - 1))} holds ${inner.slice(0, 20).join(", ") || "nothing"}`,
    );
    [value, rest] = found;
  }
  return value;
}

function gather({ value: top, without }: WeightSet, bytes: number): Omit<Found, "sets" | "key"> {
  ensure(isContainer(top), () => `torch: the file holds ${kindOf(top)}, no state dict; save \`model.state_dict()\``);
  const tensors = new Map<string, StoredTensor>();
  const metadata = new Map<string, string>();
  const leftOut = new Map<string, string[]>();
  let unfolded = 0;
  const above = new Set<unknown>();
  const take = (path: string, tensor: StoredTensor): void => {
    const unread = tensor.unread ?? (isReal(tensor.dtype) ? undefined : `${tensor.dtype} numbers`);
    if (unread !== undefined) leftOut.set(unread, [...(leftOut.get(unread) ?? []), path]);
    else {
      ensure(!tensors.has(path), () => `torch: there are two tensors at ${quote(path)}`);
      tensors.set(path, tensor);
    }
  };
  const collect = (container: Parameters<typeof entriesOf>[0], prefix: string): void => {
    enter(container, above);
    const packed = container instanceof Placeholder ? packedTensors(container) : undefined;
    for (const [name, value] of packed ?? entriesOf(container)) {
      const path = prefix + pathOf(name, value);
      unfolded += path.length + 1;
      ensure(
        unfolded <= MAX_UNFOLDING * bytes,
        () => "torch: containers share so many parts that they unfold to far more than the file; refused",
      );
      if (value instanceof StoredTensor) take(path, value);
      else if (isContainer(value) && !without.has(path)) collect(value, `${path}.`);
      else if (!isModule(container) && !isScripted(container)) keepScalar(path, value, metadata);
    }
    above.delete(container);
  };
  collect(top, "");
  const used = withoutPacking(tensors);
  const notes = [...leftOut].map(([what, keys]) => `left out, as ${what}: ${some(keys)}`);
  const dropped = [...tensors.keys()].filter((key) => !used.has(unpacked(key)));
  if (dropped.length > 0) notes.push(`left out scales and zero points of activations: ${some(dropped)}`);
  const float8 = [...used].find(([, { dtype }]) => dtype.startsWith("float8"));
  if (float8) notes.push(`${float8[1].dtype} tensors are read as float32`);
  ensure(
    used.size > 0 || (top instanceof Dict && top.entries.size === 0),
    () =>
      `torch: there is no tensor in the file${notes.map((note) => `; ${note}`).join("")}; save \`model.state_dict()\``,
  );
  return { tensors: used, metadata, notes };
}

const some = (keys: readonly string[]) =>
  `${keys.slice(0, 5).map(quote).join(", ")}${keys.length > 5 ? ` and ${keys.length - 5} more` : ""}`;

/** What a quantized layer of TorchScript keeps in a tuple: the quantized tensor is its weight, the real one its bias. */
function packedTensors({ type, state }: Placeholder): [string, unknown][] | undefined {
  if (!(state instanceof Tuple) || !/^__torch__\..*(quantized|PackedParams)/.test(type)) return undefined;
  const found: StoredTensor[] = [];
  const look = (value: unknown, depth: number): void => {
    if (value instanceof StoredTensor) found.push(value);
    else if ((value instanceof Tuple || Array.isArray(value)) && depth < 4)
      for (const [, inner] of entriesOf(value)) look(inner, depth + 1);
  };
  look(state, 0);
  const weight = found.find(({ quantizer }) => quantizer);
  const bias = found.find(({ quantizer, dtype }) => !quantizer && dtype === "float32");
  const inner = state.items.filter((item) => item instanceof Placeholder && isScripted(item));
  return [
    ...(weight ? [["weight", weight] as [string, unknown]] : []),
    ...(weight && bias ? [["bias", bias] as [string, unknown]] : []),
    ...inner.map((item): [string, unknown] => ["_packed_params", item]),
  ];
}

/** The layer that packed parameters belong to has them under its own name. */
const unpacked = (key: string) =>
  key
    .replace(/\._packed_params\._packed_params\.([01])$/, (_, i) => (i === "0" ? ".weight" : ".bias"))
    .replace(/(\._packed_params)+\.(weight|bias)$/, ".$2");

/** Tensors of a quantized network as a float network has them. */
function withoutPacking(tensors: ReadonlyMap<string, StoredTensor>): Map<string, StoredTensor> {
  if (![...tensors.values()].some(({ quantizer }) => quantizer)) return new Map(tensors);
  const isScale = (key: string) => /(^|\.)(scale|zero_point)$/.test(key);
  return new Map([...tensors].flatMap(([key, tensor]) => (isScale(key) ? [] : [[unpacked(key), tensor]])));
}

function pathOf(name: unknown, value: unknown): string {
  ensure(
    typeof name === "string" || typeof name === "number" || !(value instanceof StoredTensor),
    () => `torch: a dict has ${kindOf(name)} for a key; keys must be strings or numbers`,
  );
  return typeof name === "string" || typeof name === "number" ? String(name) : kindOf(name);
}

function keepScalars(container: unknown, metadata: Map<string, string>): void {
  if (!isContainer(container)) return;
  for (const [name, value] of entriesOf(container)) {
    if (typeof name !== "string") continue;
    keepScalar(name, value, metadata);
    const names = /^(classes|class_names|labels)$/i.test(name) && Array.isArray(value) ? value : [];
    if (names.length > 0 && names.every((text) => typeof text === "string"))
      metadata.set("classes", JSON.stringify(names));
    // settings of the training script
    if (value instanceof Placeholder && !isModule(value) && !isScripted(value))
      for (const [setting, inner] of value.attributes)
        keepScalar(`${name}.${describe(setting).replaceAll('"', "")}`, inner, metadata);
  }
}

function keepScalar(path: string, value: unknown, metadata: Map<string, string>): void {
  // what begins with "_" is a layer's own business, such as TorchScript's copies of its padding
  if (/(^|\.)_(?!_)/.test(path)) return;
  if (["string", "number", "bigint", "boolean"].includes(typeof value)) metadata.set(path, String(value));
}

function kindOf(value: unknown): string {
  if (value instanceof StoredTensor) return "a single tensor";
  if (value instanceof Placeholder) return `an object of the class ${value.type}`;
  if (value instanceof Global) return value.name;
  if (isContainer(value)) return "a container";
  return value === null ? "None" : typeof value === "object" ? "an object" : `a ${typeof value}`;
}

/** Notes that a container is being gone through; those that contain themselves are refused. */
function enter(container: unknown, above: Set<unknown>): void {
  ensure(!above.has(container), () => "torch: the containers are recursive: one contains itself; refused");
  ensure(above.size < MAX_DEPTH, () => `torch: containers are nested more than ${MAX_DEPTH} deep; refused`);
  above.add(container);
}

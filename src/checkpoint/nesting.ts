/** Finds the state dict among what else people save with it. */
import { ensure, quote } from "./error.ts";
import { Dict, Tuple } from "./pickle.ts";
import { StoredTensor } from "./torch-objects.ts";

/** Keys under which training scripts put the state dict, beside the epoch, the optimizer and so on. */
const WRAPPERS = ["state_dict", "model_state_dict", "model"];
const MAX_DEPTH = 64;
const MAX_UNFOLDING = 16;

/** Tensors by dotted path, and the plain values beside them as text. */
export interface Found {
  readonly tensors: Map<string, StoredTensor>;
  readonly metadata: Map<string, string>;
}

/**
 * The tensors of an unpickled file: those below `key` (a dotted path), or else below the wrappers that stand there, or
 * else all. Their paths may take MAX_UNFOLDING times the pickle's bytes, since containers that share parts may unfold to
 * any number.
 */
export function findTensors(root: unknown, { key, bytes }: { key?: string | undefined; bytes: number }): Found {
  const found: Found = { tensors: new Map(), metadata: new Map() };
  let dict = root;
  if (key !== undefined) dict = descend(root, key);
  else {
    const above = new Set([dict]);
    for (let inner = unwrapped(dict); inner; inner = unwrapped(dict)) {
      enter(inner, above);
      keepScalars(dict as Dict, found.metadata);
      dict = inner;
    }
  }
  ensure(isContainer(dict), () => `torch: the file holds ${kindOf(dict)}, no state dict; save \`model.state_dict()\``);
  let unfolded = 0;
  const above = new Set<unknown>();
  const collect = (container: unknown, prefix: string): void => {
    enter(container, above);
    for (const [name, value] of entries(container)) {
      const path = prefix + name;
      unfolded += path.length + 1;
      ensure(
        unfolded <= MAX_UNFOLDING * bytes,
        () => "torch: containers share so many parts that they unfold to far more than the file; refused",
      );
      if (value instanceof StoredTensor) {
        ensure(!found.tensors.has(path), () => `torch: there are two tensors at ${quote(path)}`);
        found.tensors.set(path, value);
      } else if (isContainer(value)) collect(value, `${path}.`);
      else keepScalar(path, value, found.metadata);
    }
    above.delete(container);
  };
  collect(dict, "");
  ensure(
    found.tensors.size > 0 || (dict instanceof Dict && dict.entries.size === 0),
    () => "torch: there is no tensor in the file; save `model.state_dict()`",
  );
  return found;
}

/** The dict that a wrapper holds; undefined where there is none, which is to say that this is the state dict. */
function unwrapped(dict: unknown): unknown {
  if (!(dict instanceof Dict)) return undefined;
  return WRAPPERS.map((wrapper) => dict.entries.get(wrapper)).find((inner) => inner instanceof Dict);
}

function descend(root: unknown, key: string): unknown {
  let value = root;
  for (const part of key.split(".")) {
    const inner = new Map(isContainer(value) ? entries(value) : []);
    ensure(
      inner.has(part),
      () => `torch: there is no ${quote(key)} in the file; at ${quote(part)} there are ${names(inner)}`,
    );
    value = inner.get(part);
  }
  return value;
}

function names(dict: ReadonlyMap<string, unknown>): string {
  return dict.size === 0 ? "none" : [...dict.keys()].slice(0, 20).map(quote).join(", ");
}

function entries(container: unknown): [string, unknown][] {
  if (container instanceof Tuple) return container.items.map((value, i) => [`${i}`, value]);
  if (Array.isArray(container)) return container.map((value, i) => [`${i}`, value]);
  return [...(container as Dict).entries].map(([name, value]) => [keyOf(name), value]);
}

function keyOf(name: unknown): string {
  ensure(
    typeof name === "string" || typeof name === "number",
    () => `torch: a dict has ${kindOf(name)} for a key; keys must be strings or numbers`,
  );
  return String(name);
}

function isContainer(value: unknown): boolean {
  return value instanceof Dict || value instanceof Tuple || Array.isArray(value);
}

function keepScalars({ entries }: Dict, metadata: Map<string, string>): void {
  for (const [name, value] of entries) if (typeof name === "string") keepScalar(name, value, metadata);
}

function keepScalar(path: string, value: unknown, metadata: Map<string, string>): void {
  if (["string", "number", "bigint", "boolean"].includes(typeof value)) metadata.set(path, String(value));
}

function kindOf(value: unknown): string {
  if (value instanceof StoredTensor) return "a single tensor";
  if (isContainer(value)) return "a container";
  return value === null ? "None" : typeof value === "object" ? "an object" : `a ${typeof value}`;
}

/** Notes that a container is being gone through; those that contain themselves are refused. */
function enter(container: unknown, above: Set<unknown>): void {
  ensure(!above.has(container), () => "torch: the containers are recursive: one contains itself; refused");
  ensure(above.size < MAX_DEPTH, () => `torch: containers are nested more than ${MAX_DEPTH} deep; refused`);
  above.add(container);
}

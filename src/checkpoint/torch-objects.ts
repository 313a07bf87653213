/** What PyTorch's pickles name: storages, and tensors as views of them. No numbers are read here. */
import { numel } from "../graph/index.ts";
import { describe, ensure, quote } from "./error.ts";
import { isCount, NUMPY_GLOBALS, NumpyType } from "./numpy-objects.ts";
import type { Dialect } from "./pickle.ts";
import { Dict, Global, Placeholder, Tuple } from "./pickle-objects.ts";
import { namedType, STORAGE_NAMES, type StorageType, sizeOf, storageType } from "./storage-types.ts";
import { type Storage, StoredTensor } from "./stored.ts";

/** A part of a storage, itself usable as one; the old form has such. */
export class StoragePart {
  readonly storage: Storage;
  readonly offset: number;
  readonly numel: number;
  constructor(storage: Storage, offset: number, length: number) {
    this.storage = storage;
    this.offset = offset;
    this.numel = length;
  }
}

/** Limits what a shape can cost; PyTorch itself has 64. */
const MAX_RANK = 64;

export interface TorchDialect extends Dialect {
  /** Those that the pickle speaks of, by key. */
  readonly storages: ReadonlyMap<string, Storage>;
  /** Names of the classes and functions that are not known. Their objects are placeholders. */
  readonly unknown: ReadonlySet<string>;
}

/** What the names in a pickle of PyTorch stand for, `more` included. */
export function torchDialect(more: readonly Global[] = []): TorchDialect {
  const storages = new Map<string, Storage>();
  const encoded = new Map<string, Uint8Array>();
  // the bytes of protocol 2, as text; the same text is one object, however often it is encoded
  const encode = new Global("_codecs.encode", ([text, encoding]) => {
    if (typeof text !== "string" || encoding !== "latin1") return new Placeholder("_codecs.encode", null);
    const bytes = encoded.get(text) ?? Uint8Array.from(text, (character) => character.charCodeAt(0));
    encoded.set(text, bytes);
    return bytes;
  });
  const known = new Map([...GLOBALS, ...[encode, ...more].map((global) => [global.name, global] as const)]);
  const unknown = new Map<string, Global>();
  const global = (name: string): Global => {
    const found = known.get(name) ?? unknown.get(name) ?? new Global(name);
    if (!known.has(name)) unknown.set(name, found);
    return found;
  };
  return {
    global,
    persistent: (id) => openPersistent(id, storages),
    build,
    storages,
    get unknown() {
      const isNamed = (name: string) =>
        storageType(name) === undefined && !/^(torch\.[a-z][a-z0-9_]+|.*\.set)$/.test(name);
      return new Set([...unknown.keys()].filter(isNamed));
    },
  };
}

const GLOBALS: ReadonlyMap<string, Global> = new Map(
  [
    new Global("collections.OrderedDict", orderedDict),
    new Global("torch._utils._rebuild_tensor", ([...args]) => rebuildTensor(args)),
    new Global("torch._utils._rebuild_tensor_v2", ([...args]) => rebuildTensor(args)),
    new Global("torch._utils._rebuild_parameter", rebuildParameter),
    new Global("torch._utils._rebuild_parameter_with_state", rebuildParameter),
    new Global("torch._utils._rebuild_tensor_v3", ([storage, offset, size, stride, , , type]) => {
      const dtype = type instanceof Global ? namedType(type.name) : undefined;
      return dtype === undefined
        ? unreadable(`elements of type ${type instanceof Global ? type.name : "unknown"}`)
        : rebuildTensor([storage, offset, size, stride], { dtype });
    }),
    new Global("torch._utils._rebuild_qtensor", rebuildQuantized),
    new Global("torch._utils._rebuild_sparse_tensor", () => unreadable("sparse")),
    new Global("torch._utils._rebuild_nested_tensor", () => unreadable("a nested tensor")),
    new Global("torch._utils._rebuild_meta_tensor_no_storage", () => unreadable("a meta tensor, without numbers")),
    ...["intlist", "boollist", "doublelist", "tensorlist"].map(
      (kind) => new Global(`torch.jit._pickle.build_${kind}`, ([list]) => list),
    ),
    new Global("torch.jit._pickle.restore_type_tag", ([value]) => value),
    // Makes the tensor by a function and its arguments, then gives it a class and attributes, which do not matter here.
    new Global("torch._tensor._rebuild_from_type_v2", ([callee, , args]) => {
      const makes = callee instanceof Global && callee.name.startsWith("torch._utils._rebuild_") && callee.call;
      return makes && args instanceof Tuple ? makes(args.items) : unreadable("of an unknown class");
    }),
    new Global("torch.nn.parameter.Parameter", ([tensor = new StoredTensor()]) => tensorOf(tensor)),
    new Global("torch.Tensor"),
    new Global("torch.Size", ([sizes]) => sizes),
    new Global("torch.device", ([kind, index]) =>
      index === undefined ? kind : `${describe(kind)}:${describe(index)}`,
    ),
    new Global("copyreg._reconstructor", ([type]) => placeholderOf(type)),
    new Global("copy_reg._reconstructor", ([type]) => placeholderOf(type)),
    ...NUMPY_GLOBALS,
    ...STORAGE_NAMES.flatMap((name) => [
      // Before PyTorch 0.4 each type had a tensor class of its own, whose state was set afterwards.
      new Global(name.replace("Storage", "Tensor"), () => new StoredTensor()),
    ]),
  ].map((global) => [global.name, global]),
);

const placeholderOf = (type: unknown) => new Placeholder(type instanceof Global ? type.name : "an object", null);

/** A tensor that is there, but whose numbers are not read. */
function unreadable(why: string): StoredTensor {
  const tensor = new StoredTensor();
  tensor.unread = why;
  return tensor;
}

/** `OrderedDict()`, or Python 2's `OrderedDict([[key, value], …])`. */
function orderedDict([items = []]: readonly unknown[]): Dict {
  const dict = new Dict();
  for (const [key, value] of items instanceof Dict ? items.entries : []) dict.set(key, value);
  for (const item of Array.isArray(items) ? (items as unknown[]) : []) {
    const pair = item instanceof Tuple ? item.items : item;
    ensure(
      Array.isArray(pair) && pair.length === 2,
      () => "pickle: an OrderedDict is made of something else than pairs",
    );
    dict.set(pair[0], pair[1]);
  }
  return dict;
}

/** (storage, offset, size, stride, …): what follows is about gradients. */
export function rebuildTensor(
  args: readonly unknown[],
  { into = new StoredTensor(), dtype }: { readonly into?: StoredTensor; readonly dtype?: StorageType } = {},
): StoredTensor {
  const [part, offset, size, strides] = args;
  const shape = countsOf(size);
  const stride = countsOf(strides);
  ensure(
    part instanceof StoragePart && isCount(offset) && shape && stride,
    () => "torch: a tensor is not made of a storage, an offset, sizes and strides",
  );
  const { storage } = part;
  const type = dtype ?? storage.dtype;
  const available =
    storage.dtype === type ? part.numel : Math.floor((part.numel * sizeOf(storage.dtype)) / sizeOf(type));
  ensure(
    shape.length === stride.length,
    () => `torch: a tensor has ${shape.length} sizes and ${stride.length} strides`,
  );
  const empty = shape.includes(0);
  const last = shape.reduce((sum, count, axis) => sum + (count - 1) * stride[axis]!, offset);
  ensure(
    Number.isSafeInteger(numel(shape.filter((count) => count > 0))),
    () => `torch: a tensor claims the sizes [${shape.join(", ")}]`,
  );
  ensure(
    empty || last < available,
    () =>
      `torch: a tensor [${shape.join(", ")}] reaches number ${last} of storage ${quote(storage.key)}, which has ${available}`,
  );
  into.storage = storage;
  into.dtype = type;
  into.offset = empty ? 0 : part.offset + offset;
  into.shape = shape;
  into.stride = stride;
  return into;
}

/** (tensor, requires_grad, …). */
function rebuildParameter([tensor]: readonly unknown[]): StoredTensor {
  return tensorOf(tensor);
}

/** (storage, offset, size, stride, quantizer, …). */
function rebuildQuantized([storage, offset, size, stride, quantizer]: readonly unknown[]): StoredTensor {
  const tensor = rebuildTensor([storage, offset, size, stride]);
  const [scheme, scale, zeroPoint, axis] = quantizer instanceof Tuple ? quantizer.items : [];
  const name = scheme instanceof Global ? scheme.name : "";
  if (name === "torch.per_tensor_affine" && typeof scale === "number" && typeof zeroPoint === "number")
    tensor.quantizer = { scale: [scale], zeroPoint: [zeroPoint] };
  else if (name.startsWith("torch.per_channel_affine") && isCount(axis) && axis < tensor.shape.length) {
    const [scales, zeroPoints] = [channels(scale), channels(zeroPoint)];
    const count = tensor.shape[axis];
    ensure(
      [scales, zeroPoints].every(
        (values) => (values instanceof StoredTensor ? numel(values.shape) : values?.length) === count,
      ),
      () =>
        `torch: a quantized tensor [${tensor.shape.join(", ")}] has no scale and zero point for each of its channels`,
    );
    tensor.quantizer = { scale: scales!, zeroPoint: zeroPoints!, axis };
  } else tensor.unread = `quantized in the way ${quote(name || "unknown")}`;
  return tensor;
}

/** Numbers of channels: a list, or a tensor. */
function channels(value: unknown): StoredTensor | readonly number[] | undefined {
  if (value instanceof StoredTensor) return value;
  return Array.isArray(value) && value.every((item) => typeof item === "number") ? value : undefined;
}

function tensorOf(value: unknown): StoredTensor {
  ensure(value instanceof StoredTensor, () => "torch: a parameter is not made of a tensor");
  return value;
}

/** Sets the state of an object. Attributes of dicts, such as `_metadata`, are left out. */
function build(object: unknown, state: unknown): void {
  if (object instanceof Placeholder) object.state = state;
  else if (object instanceof NumpyType) object.build(state);
  else if (object instanceof StoredTensor) buildTensor(object, state);
  else
    ensure(
      object instanceof Dict || object instanceof Global,
      () => "pickle: a state is set on plain data, which has none; the file is damaged",
    );
}

/** Old files make tensors empty, and give them their storages afterwards; NumPy's arrays are always made so. */
function buildTensor(tensor: StoredTensor, state: unknown): void {
  tensor.buildArray?.(state);
  // attributes of a tensor, as of a subclass
  if (tensor.buildArray || !(state instanceof Tuple)) return;
  const { items } = state;
  if (items.length === 4) rebuildTensor(items, { into: tensor });
  else if (items.length === 5) Object.assign(tensor, tensorOf(items[0]));
  // (requires_grad, volatile, hooks) of a parameter
  else ensure(items.length <= 3, () => `torch: a tensor's state has ${items.length} parts`);
}

/** The id is ("storage", type, key, location, numel), in the old form with None or (key, offset, numel) of a view. */
function openPersistent(id: unknown, storages: Map<string, Storage>): unknown {
  ensure(id instanceof Tuple, () => "torch: a persistent id is no tuple");
  // ("module", class, its file, its source) of the old form
  if (id.items[0] === "module") return id.items[1] ?? null;
  return openStorage(id, storages);
}

function openStorage(id: Tuple, storages: Map<string, Storage>): StoragePart {
  const [kind, type, name, , count, view = null] = id.items;
  ensure(kind === "storage", () => `torch: refuses a persistent ${describe(kind)}; only storages are read`);
  const dtype = type instanceof Global ? storageType(type.name) : undefined;
  ensure(
    dtype !== undefined && (typeof name === "string" || typeof name === "number") && isCount(count),
    () => "torch: a storage is not described by a type, a key, a place and a count",
  );
  const key = String(name);
  const storage = storages.get(key) ?? { key, dtype, numel: count };
  ensure(
    storage.dtype === dtype && storage.numel === count,
    () =>
      `torch: storage ${quote(key)} is ${storage.numel} ${storage.dtype} in one place, ${count} ${dtype} in another`,
  );
  ensure(Number.isSafeInteger(count * sizeOf(dtype)), () => `torch: storage ${quote(key)} claims ${count} numbers`);
  storages.set(key, storage);
  if (view === null) return new StoragePart(storage, 0, count);

  ensure(view instanceof Tuple, () => `torch: the view of storage ${quote(key)} is no tuple`);
  const [, offset, length] = view.items;
  ensure(
    isCount(offset) && isCount(length) && offset + length <= count,
    () =>
      `torch: the view of storage ${quote(key)} is out of range: ${describe(length)} numbers from ${describe(offset)} of ${count}`,
  );
  return new StoragePart(storage, offset, length);
}

/** Sizes or strides; undefined where it is anything else. */
function countsOf(value: unknown): readonly number[] | undefined {
  return value instanceof Tuple && value.items.length <= MAX_RANK && value.items.every(isCount)
    ? value.items
    : undefined;
}

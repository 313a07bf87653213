/** What PyTorch's pickles name: storages, and tensors as views of them. No numbers are read here. */
import { type DType, itemSize, numel } from "../graph/index.ts";
import { describe, ensure, quote } from "./error.ts";
import { type Dialect, Dict, Global, Tuple } from "./pickle.ts";

/** PyTorch's storage classes, which fix a tensor's type. */
export const STORAGES = {
  FloatStorage: "float32",
  DoubleStorage: "float64",
  HalfStorage: "float16",
  BFloat16Storage: "bfloat16",
  LongStorage: "int64",
  IntStorage: "int32",
  ShortStorage: "int16",
  CharStorage: "int8",
  ByteStorage: "uint8",
  BoolStorage: "bool",
} as const satisfies Record<string, DType>;

const STORAGE_DTYPES: ReadonlyMap<string, DType> = new Map(
  Object.entries(STORAGES).map(([name, dtype]) => [`torch.${name}`, dtype]),
);

/** A run of numbers in the file, which tensors view. */
export interface Storage {
  readonly key: string;
  readonly dtype: DType;
  readonly numel: number;
}

/** A part of a storage, itself usable as one; the old form has such. */
class StoragePart {
  readonly storage: Storage;
  readonly offset: number;
  readonly numel: number;
  constructor(storage: Storage, offset: number, length: number) {
    this.storage = storage;
    this.offset = offset;
    this.numel = length;
  }
}

/** A tensor of the file: element (i, j, …) is number offset + i·stride[0] + j·stride[1] + … of its storage. */
export class StoredTensor {
  storage: Storage | undefined;
  offset = 0;
  shape: readonly number[] = [0];
  stride: readonly number[] = [1];
}

/** Limits what a shape can cost; PyTorch itself has 64. */
const MAX_RANK = 64;

/** The names that a pickle of PyTorch may use, and the storages that it was seen to speak of. */
export function torchDialect(): Dialect & { readonly storages: ReadonlyMap<string, Storage> } {
  const storages = new Map<string, Storage>();
  return { globals: GLOBALS, persistent: (id) => openStorage(id, storages), build, storages };
}

const GLOBALS: ReadonlyMap<string, Global> = new Map(
  [
    new Global("collections.OrderedDict", orderedDict),
    new Global("torch._utils._rebuild_tensor", ([...args]) => rebuildTensor(args)),
    new Global("torch._utils._rebuild_tensor_v2", ([...args]) => rebuildTensor(args)),
    new Global("torch._utils._rebuild_parameter", rebuildParameter),
    new Global("torch._utils._rebuild_parameter_with_state", rebuildParameter),
    // Makes the tensor by a function and its arguments, then gives it a class and attributes, which do not matter here.
    new Global("torch._tensor._rebuild_from_type_v2", ([callee, , args]) => {
      ensure(
        callee instanceof Global && callee.name.startsWith("torch._utils._rebuild_") && args instanceof Tuple,
        () => "torch: _rebuild_from_type_v2 is given something else than a function that makes tensors",
      );
      return callee.call!(args.items);
    }),
    new Global("torch.nn.parameter.Parameter", ([tensor = new StoredTensor()]) => tensorOf(tensor)),
    new Global("torch.Tensor"),
    new Global("torch.Size", ([sizes]) => sizes),
    new Global("torch.device", ([kind, index]) =>
      index === undefined ? kind : `${describe(kind)}:${describe(index)}`,
    ),
    new Global("_codecs.encode", ([text, encoding]) => {
      ensure(typeof text === "string" && encoding === "latin1", () => "pickle: refuses _codecs.encode but for bytes");
      return Uint8Array.from(text, (character) => character.charCodeAt(0));
    }),
    ...[...STORAGE_DTYPES.keys()].flatMap((name) => [
      new Global(name),
      // Before PyTorch 0.4 each type had a tensor class of its own, whose state was set afterwards.
      new Global(name.replace("Storage", "Tensor"), () => new StoredTensor()),
    ]),
    ...Object.values(STORAGES).map((dtype) => new Global(`torch.${dtype}`)),
  ].map((global) => [global.name, global]),
);

/** `OrderedDict()`, or Python 2's `OrderedDict([[key, value], …])`. */
function orderedDict([items = []]: readonly unknown[]): Dict {
  ensure(Array.isArray(items), () => "pickle: an OrderedDict is made of something that is no list");
  const dict = new Dict();
  for (const item of items as unknown[]) {
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
function rebuildTensor(args: readonly unknown[], into = new StoredTensor()): StoredTensor {
  const [part, offset, size, strides] = args;
  const shape = countsOf(size);
  const stride = countsOf(strides);
  ensure(
    part instanceof StoragePart && isCount(offset) && shape && stride,
    () => "torch: a tensor is not made of a storage, an offset, sizes and strides",
  );
  const { storage } = part;
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
    empty || last < part.numel,
    () =>
      `torch: a tensor [${shape.join(", ")}] reaches number ${last} of storage ${quote(storage.key)}, which has ${part.numel}`,
  );
  into.storage = storage;
  into.offset = empty ? 0 : part.offset + offset;
  into.shape = shape;
  into.stride = stride;
  return into;
}

/** (tensor, requires_grad, …). */
function rebuildParameter([tensor]: readonly unknown[]): StoredTensor {
  return tensorOf(tensor);
}

function tensorOf(value: unknown): StoredTensor {
  ensure(value instanceof StoredTensor, () => "torch: a parameter is not made of a tensor");
  return value;
}

/** Sets the state of the objects that old files make empty first. Attributes of dicts, such as `_metadata`, are left out. */
function build(object: unknown, state: unknown): void {
  if (object instanceof Dict) return;
  ensure(
    object instanceof StoredTensor && state instanceof Tuple,
    () => "pickle: refuses to set the state of anything but tensors and dicts",
  );
  const { items } = state;
  if (items.length === 4) {
    rebuildTensor(items, object);
  } else if (items.length === 5) {
    Object.assign(object, tensorOf(items[0]));
  } else {
    // (requires_grad, volatile, hooks) of a parameter
    ensure(items.length <= 3, () => `torch: a tensor's state has ${items.length} parts`);
  }
}

/** The id is ("storage", type, key, location, numel), in the old form with None or (key, offset, numel) of a view. */
function openStorage(id: unknown, storages: Map<string, Storage>): StoragePart {
  ensure(id instanceof Tuple, () => "torch: a persistent id is no tuple");
  const [kind, type, name, , count, view = null] = id.items;
  ensure(kind === "storage", () => `torch: refuses a persistent ${describe(kind)}; only storages are read`);
  const dtype = type instanceof Global ? STORAGE_DTYPES.get(type.name) : undefined;
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
  ensure(Number.isSafeInteger(count * itemSize(dtype)), () => `torch: storage ${quote(key)} claims ${count} numbers`);
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

function isCount(value: unknown): value is number {
  return Number.isSafeInteger(value) && (value as number) >= 0;
}

/** Sizes or strides; undefined where it is anything else. */
function countsOf(value: unknown): readonly number[] | undefined {
  return value instanceof Tuple && value.items.length <= MAX_RANK && value.items.every(isCount)
    ? value.items
    : undefined;
}

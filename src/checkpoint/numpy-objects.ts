/** NumPy's arrays and scalars inside pickles. */
import { type DType, fromBytes, itemSize, numel } from "../graph/index.ts";
import { ensure } from "./error.ts";
import { NUMPY_TYPES, swapped } from "./npy.ts";
import { Global, Placeholder, Tuple } from "./pickle-objects.ts";
import { type Storage, StoredTensor } from "./stored.ts";

/** `numpy.dtype`: a type code such as f4, and the order of its bytes. */
export class NumpyType {
  readonly dtype: DType | undefined;
  bigEndian: boolean;
  constructor(code: unknown) {
    const [, order = "", name = ""] = typeof code === "string" ? (/^([<>|=]?)(.*)$/s.exec(code) ?? []) : [];
    this.dtype = Object.hasOwn(NUMPY_TYPES, name) ? NUMPY_TYPES[name] : undefined;
    this.bigEndian = order === ">";
  }

  /** (version, byte order, …). */
  build(state: unknown): void {
    if (state instanceof Tuple) this.bigEndian = state.items[1] === ">";
  }
}

const MODULES = ["numpy.core", "numpy._core"];

const EMPTY = new Uint8Array(0);

export const NUMPY_GLOBALS: readonly Global[] = [
  // what protocol 2 makes of no bytes
  ...["builtins", "__builtin__"].map((module) => new Global(`${module}.bytes`, ([bytes = EMPTY]) => bytes)),
  new Global("numpy.dtype", ([code]) => new NumpyType(code)),
  ...MODULES.flatMap((module) => [
    new Global(`${module}.multiarray._reconstruct`, () => {
      const array = new StoredTensor();
      array.unread = "an array without contents";
      array.buildArray = (state) => fillArray(array, state instanceof Tuple ? state.items.slice(1) : []);
      return array;
    }),
    new Global(`${module}.numeric._frombuffer`, ([bytes, type, shape, order]) => {
      const array = new StoredTensor();
      fillArray(array, [shape, type, order === "F", bytes]);
      return array;
    }),
    new Global(`${module}.multiarray.scalar`, ([type, bytes]) => {
      const dtype = type instanceof NumpyType ? type.dtype : undefined;
      const raw = typeof bytes === "string" && bytes.length <= 16 ? Uint8Array.from(bytes, codeOf) : bytes;
      if (dtype === undefined || !(raw instanceof Uint8Array) || raw.length !== itemSize(dtype))
        return new Placeholder("numpy.generic", null);
      const ordered = (type as NumpyType).bigEndian ? swapped(raw, itemSize(dtype)) : raw;
      const { data } = fromBytes(dtype, [1], ordered);
      return dtype === "bool" ? data[0] === 1 : data[0];
    }),
  ]),
];

/** (shape, type, whether in Fortran order, bytes). */
function fillArray(array: StoredTensor, [shape, type, fortran, contents]: readonly unknown[]): void {
  const sizes =
    shape instanceof Tuple && shape.items.length <= 64 && shape.items.every(isCount) ? shape.items : undefined;
  const bytes = typeof contents === "string" ? Uint8Array.from(contents, codeOf) : contents;
  const dtype = type instanceof NumpyType ? type.dtype : undefined;
  if (!sizes || !(bytes instanceof Uint8Array) || dtype === undefined) {
    array.unread = "an array of something else than numbers";
    return;
  }
  ensure(
    numel(sizes) * itemSize(dtype) === bytes.length,
    () => `pickle: an array [${sizes.join(", ")}] of ${dtype} has ${bytes.length} bytes`,
  );
  array.storage = inlineStorage(bytes, dtype, (type as NumpyType).bigEndian);
  array.dtype = dtype;
  array.shape = sizes;
  const axes = sizes.map((_, axis) => axis);
  const stride = axes.map(() => 1);
  let step = 1;
  for (const axis of fortran === true ? axes : axes.reverse()) {
    stride[axis] = step;
    step *= sizes[axis]!;
  }
  array.stride = stride;
  array.unread = undefined;
}

/** Python 2 kept bytes as text. */
const codeOf = (character: string) => character.charCodeAt(0);

const storages = new WeakMap<Uint8Array, Map<string, Storage>>();

/** Bytes of the pickle as a storage. The same bytes are one storage, however often the pickle names them. */
export function inlineStorage(bytes: Uint8Array, dtype: DType, bigEndian = false): Storage {
  const known = storages.get(bytes) ?? new Map<string, Storage>();
  storages.set(bytes, known);
  const key = `${dtype}${bigEndian ? " big-endian" : ""}`;
  const found = known.get(key);
  if (found) return found;
  const ordered = bigEndian ? swapped(bytes, itemSize(dtype)) : bytes;
  const storage = { key: `inline ${key}`, dtype, numel: ordered.length / itemSize(dtype), bytes: ordered };
  known.set(key, storage);
  return storage;
}

export function isCount(value: unknown): value is number {
  return Number.isSafeInteger(value) && (value as number) >= 0;
}

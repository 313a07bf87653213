/**
 * A reader of Python's pickles that runs nothing: it knows the opcodes that plain data needs, and calls only what its
 * dialect lists. Opcodes as in CPython's Lib/pickletools.py.
 */
import { dataView, uint64 } from "./access.ts";
import { CheckpointError, ensure, quote } from "./error.ts";

/** A Python tuple; lists are arrays, dicts are Maps, None is null. */
export class Tuple {
  readonly items: readonly unknown[];
  constructor(items: readonly unknown[]) {
    this.items = items;
  }
}

/** A class or function that a pickle may name. One without `call` may only be handed on. */
export class Global {
  readonly name: string;
  readonly call: ((args: readonly unknown[]) => unknown) | undefined;
  constructor(name: string, call?: (args: readonly unknown[]) => unknown) {
    this.name = name;
    this.call = call;
  }
}

export interface Dialect {
  readonly globals: ReadonlyMap<string, Global>;
  /** What a persistent id stands for. */
  readonly persistent: (id: unknown) => unknown;
  /** Gives a made object its state, as `__setstate__` does. */
  readonly build: (object: unknown, state: unknown) => void;
}

/** The bytes given end before the pickle does. */
export class PickleCutShort extends CheckpointError {
  constructor() {
    super("pickle: it is cut short");
  }
}

/** Steps, each of which makes one object at most. A checkpoint of 100,000 tensors takes some 3 million. */
const MAX_STEPS = 8_000_000;
const MAX_LINE = 1024;

/** Those that are refused, by name. */
const REFUSED: Readonly<Record<number, string>> = Object.fromEntries(
  (
    "P PERSID I INT L LONG S STRING V UNICODE F FLOAT g GET p PUT l LIST d DICT i INST o OBJ " +
    "\x81 NEWOBJ \x82 EXT1 \x83 EXT2 \x84 EXT4 \x8b LONG4 \x8f EMPTY_SET \x90 ADDITEMS \x91 FROZENSET " +
    "\x92 NEWOBJ_EX \x96 BYTEARRAY8 \x97 NEXT_BUFFER \x98 READONLY_BUFFER"
  )
    .split(" ")
    .flatMap((code, i, words) => (i % 2 === 0 ? [[code.charCodeAt(0), words[i + 1]!]] : [])),
);

/**
 * Reads the pickle that begins at `start`; `end` is the byte after it.
 *
 * Throws PickleCutShort where the bytes end first, and a CheckpointError for everything that is not plain data.
 */
export function unpickle(bytes: Uint8Array, start: number, dialect: Dialect): { value: unknown; end: number } {
  const machine = new Machine(bytes, start, dialect);
  const value = machine.run();
  return { value, end: machine.position };
}

class Machine {
  position: number;
  readonly #bytes: Uint8Array;
  readonly #view: DataView;
  readonly #dialect: Dialect;
  readonly #memo = new Map<number, unknown>();
  readonly #marks: unknown[][] = [];
  #stack: unknown[] = [];

  constructor(bytes: Uint8Array, start: number, dialect: Dialect) {
    this.#bytes = bytes;
    this.#view = dataView(bytes);
    this.position = start;
    this.#dialect = dialect;
  }

  run(): unknown {
    for (let steps = 0; steps < MAX_STEPS; steps++) {
      const at = this.position;
      const opcode = this.#bytes[this.#take(1)]!;
      if (opcode === 0x2e) return this.#pop(); // STOP
      this.#step(opcode, at);
    }
    throw new CheckpointError(`pickle: it has more than ${MAX_STEPS} steps; no checkpoint needs that many`);
  }

  #step(opcode: number, at: number): void {
    const view = this.#view;
    switch (opcode) {
      case 0x80: { // PROTO
        const protocol = this.#bytes[this.#take(1)]!;
        ensure(protocol >= 2 && protocol <= 5, () => `pickle: protocol ${protocol} is none of 2 to 5`);
        return;
      }
      case 0x95: // FRAME
        this.#take(8);
        return;

      case 0x4e: // NONE
        return this.#push(null);
      case 0x88: // NEWTRUE
        return this.#push(true);
      case 0x89: // NEWFALSE
        return this.#push(false);
      case 0x4b: // BININT1
        return this.#push(this.#bytes[this.#take(1)]);
      case 0x4d: // BININT2
        return this.#push(view.getUint16(this.#take(2), true));
      case 0x4a: // BININT
        return this.#push(view.getInt32(this.#take(4), true));
      case 0x8a: // LONG1
        return this.#push(this.#long(this.#bytes[this.#take(1)]!));
      case 0x47: // BINFLOAT
        return this.#push(view.getFloat64(this.#take(8)));

      case 0x8c: // SHORT_BINUNICODE
        return this.#push(this.#text(this.#bytes[this.#take(1)]!));
      case 0x58: // BINUNICODE
        return this.#push(this.#text(view.getUint32(this.#take(4), true)));
      case 0x8d: // BINUNICODE8
        return this.#push(this.#text(uint64(view as DataView<ArrayBuffer>, this.#take(8))));
      case 0x55: // SHORT_BINSTRING, a string of Python 2
        return this.#push(this.#latin1(this.#bytes[this.#take(1)]!));
      case 0x54: // BINSTRING
        return this.#push(this.#latin1(view.getInt32(this.#take(4), true)));
      case 0x43: // SHORT_BINBYTES
        return this.#push(this.#slice(this.#bytes[this.#take(1)]!));
      case 0x42: // BINBYTES
        return this.#push(this.#slice(view.getUint32(this.#take(4), true)));

      case 0x28: // MARK
        this.#marks.push(this.#stack);
        this.#stack = [];
        return;
      case 0x30: // POP
        this.#pop();
        return;
      case 0x29: // EMPTY_TUPLE
        return this.#push(new Tuple([]));
      case 0x85: // TUPLE1
      case 0x86: // TUPLE2
      case 0x87: { // TUPLE3
        const count = opcode - 0x84;
        ensure(this.#stack.length >= count, underflow);
        return this.#push(new Tuple(this.#stack.splice(-count)));
      }
      case 0x74: // TUPLE
        return this.#push(new Tuple(this.#popMark()));
      case 0x5d: // EMPTY_LIST
        return this.#push([]);
      case 0x61: // APPEND
        return this.#append([this.#pop()]);
      case 0x65: // APPENDS
        return this.#append(this.#popMark());
      case 0x7d: // EMPTY_DICT
        return this.#push(new Map());
      case 0x73: { // SETITEM
        const value = this.#pop();
        return this.#setItems([this.#pop(), value]);
      }
      case 0x75: // SETITEMS
        return this.#setItems(this.#popMark());

      case 0x68: // BINGET
        return this.#get(this.#bytes[this.#take(1)]!);
      case 0x6a: // LONG_BINGET
        return this.#get(view.getUint32(this.#take(4), true));
      case 0x71: // BINPUT
        this.#memo.set(this.#bytes[this.#take(1)]!, this.#top());
        return;
      case 0x72: // LONG_BINPUT
        this.#memo.set(view.getUint32(this.#take(4), true), this.#top());
        return;
      case 0x94: // MEMOIZE
        this.#memo.set(this.#memo.size, this.#top());
        return;

      case 0x63: // GLOBAL
        return this.#push(this.#global(this.#line(), this.#line()));
      case 0x93: { // STACK_GLOBAL
        const name = this.#pop();
        return this.#push(this.#global(this.#pop(), name));
      }
      case 0x52: // REDUCE
      case 0x81: { // NEWOBJ
        const args = this.#pop();
        return this.#push(this.#call(this.#pop(), args));
      }
      case 0x62: { // BUILD
        const state = this.#pop();
        this.#dialect.build(this.#top(), state);
        return;
      }
      case 0x51: // BINPERSID
        return this.#push(this.#dialect.persistent(this.#pop()));
      default: {
        const name = REFUSED[opcode];
        const code = `0x${opcode.toString(16).padStart(2, "0")}`;
        throw new CheckpointError(
          name === undefined
            ? `pickle: ${code} at byte ${at} is no opcode; the file is damaged`
            : `pickle: refuses the opcode ${name} (${code}) at byte ${at}; checkpoints of tensors and plain containers do not need it`,
        );
      }
    }
  }

  /** Moves on by `length` bytes and returns where they begin. */
  #take(length: number): number {
    const at = this.position;
    ensure(length >= 0, () => `pickle: a length of ${length} at byte ${at}`);
    if (at + length > this.#bytes.length) throw new PickleCutShort();
    this.position = at + length;
    return at;
  }

  #slice(length: number): Uint8Array {
    const at = this.#take(length);
    return this.#bytes.slice(at, at + length);
  }

  #text(length: number): string {
    const at = this.#take(length);
    try {
      return UTF8.decode(this.#bytes.subarray(at, at + length));
    } catch (error) {
      throw new CheckpointError(`pickle: the string at byte ${at} is not UTF-8`, { cause: error });
    }
  }

  #latin1(length: number): string {
    const at = this.#take(length);
    return LATIN1.decode(this.#bytes.subarray(at, at + length));
  }

  #line(): string {
    const at = this.position;
    const end = this.#bytes.subarray(at, at + MAX_LINE).indexOf(0x0a);
    if (end < 0 && at + MAX_LINE > this.#bytes.length) throw new PickleCutShort();
    ensure(end >= 0, () => `pickle: the name at byte ${at} is longer than ${MAX_LINE} bytes`);
    const line = this.#text(end);
    this.position++;
    return line;
  }

  /** Two's complement, little-endian; a number where it is exact. */
  #long(length: number): number | bigint {
    const at = this.#take(length);
    let value = 0n;
    for (let i = at + length - 1; i >= at; i--) value = (value << 8n) | BigInt(this.#bytes[i]!);
    if (length > 0) value = BigInt.asIntN(8 * length, value);
    const number = Number(value);
    return Number.isSafeInteger(number) ? number : value;
  }

  #push(value: unknown): void {
    this.#stack.push(value);
  }

  #pop(): unknown {
    ensure(this.#stack.length > 0, underflow);
    return this.#stack.pop();
  }

  #top(): unknown {
    ensure(this.#stack.length > 0, underflow);
    return this.#stack.at(-1);
  }

  #popMark(): unknown[] {
    const items = this.#stack;
    const below = this.#marks.pop();
    ensure(below, () => "pickle: an opcode asks for a mark that is not there; the file is damaged");
    this.#stack = below;
    return items;
  }

  #get(index: number): void {
    ensure(this.#memo.has(index), () => `pickle: there is no object ${index} in the memo; the file is damaged`);
    this.#push(this.#memo.get(index));
  }

  #append(items: readonly unknown[]): void {
    const list = this.#top();
    ensure(Array.isArray(list), () => "pickle: items are appended to something that is no list");
    for (const item of items) list.push(item);
  }

  #setItems(items: readonly unknown[]): void {
    const dict = this.#top();
    ensure(dict instanceof Map, () => "pickle: items are set on something that is no dict");
    ensure(items.length % 2 === 0, () => "pickle: a dict has a key without a value");
    for (let i = 0; i < items.length; i += 2) dict.set(items[i], items[i + 1]);
  }

  #global(module: unknown, name: unknown): Global {
    const global = this.#dialect.globals.get(`${module}.${name}`);
    ensure(
      global,
      () =>
        `pickle: refuses ${quote(`${module}.${name}`)}: only tensors and plain containers are read, and nothing is executed. ` +
        "If PyTorch saved a whole module or other objects, save `model.state_dict()` instead",
    );
    return global;
  }

  #call(callee: unknown, args: unknown): unknown {
    ensure(
      callee instanceof Global && callee.call && args instanceof Tuple,
      () => `pickle: refuses to call ${callee instanceof Global ? callee.name : "an object"}`,
    );
    return callee.call(args.items);
  }
}

const UTF8 = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });
const LATIN1 = new TextDecoder("latin1");

function underflow(): string {
  return "pickle: an opcode asks for more objects than there are; the file is damaged";
}

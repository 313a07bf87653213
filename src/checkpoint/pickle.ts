/**
 * A reader of Python's pickles that runs nothing: it knows the opcodes that plain data needs, and calls only what its
 * dialect lists.
 */
import { dataView, uint64 } from "./access.ts";
import { CheckpointError, ensure, quote } from "./error.ts";
import { OP, REFUSED } from "./opcodes.ts";

/** A Python tuple; lists are arrays, None is null. */
export class Tuple {
  readonly items: readonly unknown[];
  constructor(items: readonly unknown[]) {
    this.items = items;
  }
}

const NO_ENTRIES: ReadonlyMap<unknown, unknown> = new Map();

/** A Python dict. An empty one, which two bytes make, must cost as little. */
export class Dict {
  entries = NO_ENTRIES;

  set(key: unknown, value: unknown): void {
    if (this.entries === NO_ENTRIES) this.entries = new Map();
    (this.entries as Map<unknown, unknown>).set(key, value);
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
const MAX_STEPS = 4_000_000;
const EMPTY_TUPLE = new Tuple([]);
const MAX_LINE = 1024;

/** What opcodes return that put nothing on the stack. */
const NOTHING = Symbol("nothing");

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
      const opcode = this.#byte();
      if (opcode === OP.STOP) return this.#pop();
      const value = this.#step(opcode, at);
      if (value !== NOTHING) this.#stack.push(value);
    }
    throw new CheckpointError(`pickle: it has more than ${MAX_STEPS} steps; no checkpoint needs that many`);
  }

  /** What an opcode puts on the stack, or NOTHING. */
  #step(opcode: number, at: number): unknown {
    const view = this.#view;
    switch (opcode) {
      case OP.PROTO: {
        const protocol = this.#bytes[this.#take(1)]!;
        ensure(protocol >= 2 && protocol <= 5, () => `pickle: protocol ${protocol} is none of 2 to 5`);
        return NOTHING;
      }
      case OP.FRAME:
        this.#take(8);
        return NOTHING;

      case OP.NONE:
        return null;
      case OP.NEWTRUE:
        return true;
      case OP.NEWFALSE:
        return false;
      case OP.BININT1:
        return this.#byte();
      case OP.BININT2:
        return view.getUint16(this.#take(2), true);
      case OP.BININT:
        return view.getInt32(this.#take(4), true);
      case OP.LONG1:
        return this.#long(this.#byte());
      case OP.BINFLOAT:
        return view.getFloat64(this.#take(8));
      case OP.SHORT_BINUNICODE:
        return this.#text(this.#byte());
      case OP.BINUNICODE:
        return this.#text(this.#uint32());
      case OP.BINUNICODE8:
        return this.#text(uint64(view, this.#take(8)));
      case OP.SHORT_BINSTRING:
        return this.#latin1(this.#byte());
      case OP.BINSTRING:
        return this.#latin1(view.getInt32(this.#take(4), true));
      case OP.SHORT_BINBYTES:
        return this.#slice(this.#byte());
      case OP.BINBYTES:
        return this.#slice(this.#uint32());

      case OP.MARK:
        this.#marks.push(this.#stack);
        this.#stack = [];
        return NOTHING;
      case OP.POP:
        this.#pop();
        return NOTHING;
      case OP.EMPTY_TUPLE:
        return EMPTY_TUPLE;
      case OP.TUPLE1:
      case OP.TUPLE2:
      case OP.TUPLE3: {
        const count = opcode - OP.TUPLE1 + 1;
        ensure(this.#stack.length >= count, underflow);
        return new Tuple(this.#stack.splice(-count));
      }
      case OP.TUPLE:
        return new Tuple(this.#popMark());
      case OP.EMPTY_LIST:
        return [];
      case OP.APPEND:
        return this.#append([this.#pop()]);
      case OP.APPENDS:
        return this.#append(this.#popMark());
      case OP.EMPTY_DICT:
        return new Dict();
      case OP.SETITEM: {
        const value = this.#pop();
        return this.#setItems([this.#pop(), value]);
      }
      case OP.SETITEMS:
        return this.#setItems(this.#popMark());

      case OP.BINGET:
        return this.#remembered(this.#byte());
      case OP.LONG_BINGET:
        return this.#remembered(this.#uint32());
      case OP.BINPUT:
        return this.#remember(this.#byte());
      case OP.LONG_BINPUT:
        return this.#remember(this.#uint32());
      case OP.MEMOIZE:
        return this.#remember(this.#memo.size);

      case OP.GLOBAL:
        return this.#global(this.#line(), this.#line());
      case OP.STACK_GLOBAL: {
        const name = this.#pop();
        return this.#global(this.#pop(), name);
      }
      case OP.REDUCE:
      case OP.NEWOBJ: {
        const args = this.#pop();
        return this.#call(this.#pop(), args);
      }
      case OP.BUILD: {
        const state = this.#pop();
        this.#dialect.build(this.#top(), state);
        return NOTHING;
      }
      case OP.BINPERSID:
        return this.#dialect.persistent(this.#pop());
      default: {
        const code = `0x${opcode.toString(16).padStart(2, "0")} at byte ${at}`;
        const name = REFUSED.get(opcode);
        throw new CheckpointError(
          name === undefined
            ? `pickle: ${code} is no opcode; the file is damaged`
            : `pickle: refuses the opcode ${name} (${code}); checkpoints of tensors and plain containers do not need it`,
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

  #byte(): number {
    return this.#bytes[this.#take(1)]!;
  }

  #uint32(): number {
    return this.#view.getUint32(this.#take(4), true);
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

  #remember(index: number): typeof NOTHING {
    this.#memo.set(index, this.#top());
    return NOTHING;
  }

  #remembered(index: number): unknown {
    ensure(this.#memo.has(index), () => `pickle: there is no object ${index} in the memo; the file is damaged`);
    return this.#memo.get(index);
  }

  #append(items: readonly unknown[]): typeof NOTHING {
    const list = this.#top();
    ensure(Array.isArray(list), () => "pickle: items are appended to something that is no list");
    for (const item of items) list.push(item);
    return NOTHING;
  }

  #setItems(items: readonly unknown[]): typeof NOTHING {
    const dict = this.#top();
    ensure(dict instanceof Dict, () => "pickle: items are set on something that is no dict");
    ensure(items.length % 2 === 0, () => "pickle: a dict has a key without a value");
    for (let i = 0; i < items.length; i += 2) dict.set(items[i], items[i + 1]);
    return NOTHING;
  }

  #global(module: unknown, name: unknown): Global {
    ensure(typeof module === "string" && typeof name === "string", () => "pickle: a global's name is no string");
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

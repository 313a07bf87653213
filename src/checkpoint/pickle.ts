/**
 * A reader of Python's pickles that executes nothing: it builds data, calls only what its dialect lists, and leaves a placeholder
 * for every other class and function.
 */
import { dataView, uint64 } from "./access.ts";
import { CheckpointError, ensure } from "./error.ts";
import { OP, REFUSED } from "./opcodes.ts";
import { Dict, Global, Placeholder, Tuple } from "./pickle-objects.ts";

export interface Dialect {
  /** What a class or function stands for, by its full name. */
  readonly global: (name: string) => Global;
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
 * Throws PickleCutShort where the bytes end first, and a CheckpointError if they are no pickle.
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
        ensure(protocol <= 5, () => `pickle: protocol ${protocol} is none of 0 to 5`);
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
      case OP.LONG4:
        return this.#long(this.#uint32());
      case OP.INT:
      case OP.LONG:
        return this.#decimal(this.#line());
      case OP.FLOAT:
        return Number(this.#line());
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
      case OP.STRING:
        return this.#line(LATIN1).replace(/^(["'])(.*)\1$/s, "$2");
      case OP.UNICODE:
        return this.#line(LATIN1).replaceAll(/\\u([0-9a-f]{4})/gi, (_, code: string) =>
          String.fromCharCode(parseInt(code, 16)),
        );
      case OP.SHORT_BINBYTES:
        return this.#slice(this.#byte());
      case OP.BINBYTES:
        return this.#slice(this.#uint32());
      case OP.BINBYTES8:
      case OP.BYTEARRAY8:
        return this.#slice(uint64(view, this.#take(8)));

      case OP.MARK:
        this.#marks.push(this.#stack);
        this.#stack = [];
        return NOTHING;
      case OP.POP:
        // a mark is an object on Python's stack
        if (this.#stack.length === 0) this.#popMark();
        else this.#pop();
        return NOTHING;
      case OP.POP_MARK:
        this.#popMark();
        return NOTHING;
      case OP.DUP:
        return this.#top();
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
      case OP.FROZENSET:
        return new Tuple(this.#popMark());
      case OP.EMPTY_LIST:
        return [];
      case OP.LIST:
        return this.#popMark();
      case OP.EMPTY_SET:
        return new Placeholder("builtins.set", EMPTY_TUPLE);
      case OP.APPEND:
        return this.#append([this.#pop()]);
      case OP.APPENDS:
      case OP.ADDITEMS:
        return this.#append(this.#popMark());
      case OP.EMPTY_DICT:
        return new Dict();
      case OP.DICT:
        return fill(new Dict(), this.#popMark());
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
      case OP.GET:
        return this.#remembered(Number(this.#line()));
      case OP.PUT:
        return this.#remember(Number(this.#line()));
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
        return call(this.#pop(), args);
      }
      case OP.NEWOBJ_EX: {
        this.#pop();
        const args = this.#pop();
        return call(this.#pop(), args);
      }
      case OP.OBJ: {
        const [callee, ...args] = this.#popMark();
        return call(callee, new Tuple(args));
      }
      case OP.INST: {
        const callee = this.#global(this.#line(), this.#line());
        return call(callee, new Tuple(this.#popMark()));
      }
      case OP.BUILD: {
        const state = this.#pop();
        this.#dialect.build(this.#top(), state);
        return NOTHING;
      }
      case OP.BINPERSID:
        return this.#dialect.persistent(this.#pop());
      case OP.PERSID:
        return this.#dialect.persistent(this.#line());
      default: {
        const code = `0x${opcode.toString(16).padStart(2, "0")} at byte ${at}`;
        const name = REFUSED.get(opcode);
        throw new CheckpointError(
          name === undefined
            ? `pickle: ${code} is no opcode; the file is damaged`
            : `pickle: refuses the opcode ${name} (${code}); its objects are not in the file itself`,
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

  #text(length: number, decoder = UTF8): string {
    const at = this.#take(length);
    try {
      return decoder.decode(this.#bytes.subarray(at, at + length));
    } catch (error) {
      throw new CheckpointError(`pickle: the string at byte ${at} is not UTF-8`, { cause: error });
    }
  }

  /** Python 2 has text and bytes as one type; long ones are the contents of arrays. */
  #latin1(length: number): string | Uint8Array {
    if (length > MAX_LINE) return this.#slice(length);
    const at = this.#take(length);
    return String.fromCharCode(...this.#bytes.subarray(at, at + length));
  }

  #line(decoder = UTF8): string {
    const at = this.position;
    const end = this.#bytes.subarray(at, at + MAX_LINE).indexOf(0x0a);
    if (end < 0 && at + MAX_LINE > this.#bytes.length) throw new PickleCutShort();
    ensure(end >= 0, () => `pickle: the name at byte ${at} is longer than ${MAX_LINE} bytes`);
    const line = this.#text(end, decoder);
    this.position++;
    return line;
  }

  /** Text as Python 2 wrote numbers: 00 and 01 are booleans, an L ends a long one. */
  #decimal(text: string): number | bigint | boolean {
    if (text === "00" || text === "01") return text === "01";
    ensure(/^-?\d{1,400}L?$/.test(text), () => "pickle: a number is damaged");
    const value = BigInt(text.replace("L", ""));
    return Number.isSafeInteger(Number(value)) ? Number(value) : value;
  }

  /** Two's complement, little-endian; a number where it is exact. */
  #long(length: number): number | bigint {
    ensure(length <= MAX_LINE, () => `pickle: a number of ${length} bytes`);
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
    const target = this.#top();
    if (target instanceof Placeholder) target.items ??= [];
    const list = target instanceof Placeholder ? target.items : target;
    ensure(Array.isArray(list), () => "pickle: items are appended to something that is no list");
    for (const item of items) list.push(item);
    return NOTHING;
  }

  #setItems(items: readonly unknown[]): typeof NOTHING {
    const target = this.#top();
    if (target instanceof Placeholder) target.dict ??= new Dict();
    const dict = target instanceof Placeholder ? target.dict : target;
    ensure(dict instanceof Dict, () => "pickle: items are set on something that is no dict");
    fill(dict, items);
    return NOTHING;
  }

  #global(module: unknown, name: unknown): Global {
    ensure(typeof module === "string" && typeof name === "string", () => "pickle: a global's name is no string");
    return this.#dialect.global(`${module}.${name}`);
  }
}

function fill(dict: Dict, items: readonly unknown[]): Dict {
  ensure(items.length % 2 === 0, () => "pickle: a dict has a key without a value");
  for (let i = 0; i < items.length; i += 2) dict.set(items[i], items[i + 1]);
  return dict;
}

/** What a call makes: by the dialect's function, else a placeholder. */
function call(callee: unknown, args: unknown): unknown {
  if (callee instanceof Global && callee.call) {
    ensure(args instanceof Tuple, () => `pickle: ${callee.name} is called with something that is no tuple`);
    return callee.call(args.items);
  }
  return new Placeholder(callee instanceof Global ? callee.name : "an object", args);
}

const UTF8 = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });
const LATIN1 = new TextDecoder("latin1");

function underflow(): string {
  return "pickle: an opcode asks for more objects than there are; the file is damaged";
}

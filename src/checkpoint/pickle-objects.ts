/** What the objects of a pickle become here: data only. Lists are arrays, None is null. */

/** A Python tuple. */
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

/** A class or function that a pickle names. One without `call` is unknown: calling it makes a placeholder. */
export class Global {
  readonly name: string;
  readonly call: ((args: readonly unknown[]) => unknown) | undefined;
  constructor(name: string, call?: (args: readonly unknown[]) => unknown) {
    this.name = name;
    this.call = call;
  }
}

/** An object of an unknown class, or the result of an unknown function. It holds what the pickle says of it; nothing is executed. */
export class Placeholder {
  readonly type: string;
  readonly args: unknown;
  /** As `__setstate__` would get it: usually the dict of the object's attributes. */
  state: unknown = undefined;
  /** Entries, if the class extends dict. */
  dict: Dict | undefined;
  /** Items, if the class extends list or set. */
  items: unknown[] | undefined;
  constructor(type: string, args: unknown) {
    this.type = type;
    this.args = args;
  }

  /** The object's attributes by name, if its state is a dict of them. */
  get attributes(): ReadonlyMap<unknown, unknown> {
    // (attributes, slots) where a class has both
    const parts = this.state instanceof Tuple && this.state.items.length === 2 ? this.state.items : [this.state];
    const dicts = parts.filter((part) => part instanceof Dict).map(({ entries }) => entries);
    return dicts.length === 1 ? dicts[0]! : new Map(dicts.flatMap((entries) => [...entries]));
  }
}

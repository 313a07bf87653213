import { check, describe } from "../../graph/index.ts";
import { Module } from "../module.ts";
import { printModule } from "../print.ts";
import type { Tensor } from "../tensor.ts";
import { Layer } from "./layer.ts";

/**
 * Applies modules one after the other, given one by one or as one list; their keys are "0", "1", … Networks can also call its
 * modules themselves, as `this.layers[0].call(x)`. An object names the modules, as PyTorch's OrderedDict does.
 *
 *     new Sequential(new Conv2d(3, 8, 3), new ReLU())
 *     new Sequential({ conv: new Conv2d(3, 8, 3), relu: new ReLU() })
 */
export class Sequential extends Layer {
  static readonly type: string = "Sequential";
  readonly [index: number]: Module<Tensor>;

  constructor(...modules: (Module<Tensor> | readonly Module<Tensor>[])[]);
  constructor(modules: Readonly<Record<string, Module<Tensor>>>);
  constructor(...modules: unknown[]) {
    super();
    const [first] = modules;
    if (modules.length === 1 && isRecord(first)) {
      checkNamed("Sequential", first, this);
      Object.assign(this, first);
    } else {
      const all = modules.flat();
      checkModules("Sequential", all);
      Object.assign(this, all);
    }
  }

  forward(x: Tensor): Tensor {
    let y = x;
    for (const [, module] of this.children<Module<Tensor>>()) y = module.call(y);
    return y;
  }
}

/**
 * A list of modules, whose keys are "0", "1", … The network calls them one by one; the list itself cannot be called.
 *
 *     blocks = new ModuleList([new Conv2d(3, 8, 3), new Conv2d(8, 8, 3)]);
 *     for (const block of this.blocks) x = block.call(x).relu();
 */
export class ModuleList<M extends Module = Module<Tensor>> extends Module<Tensor> implements Iterable<M> {
  static readonly type: string = "ModuleList";
  readonly [index: number]: M;

  constructor(modules: readonly M[] = []) {
    super();
    check(Array.isArray(modules), () => `ModuleList: takes a list of modules, but got ${describe(modules)}`);
    this.append(...modules);
  }

  /** Number of modules. */
  get length(): number {
    return [...this.children()].length;
  }

  /** Adds modules at the end. */
  append(...modules: readonly M[]): this {
    checkModules("ModuleList", modules);
    const { length } = this;
    return Object.assign(this, Object.fromEntries(modules.map((module, i) => [length + i, module])));
  }

  /** The module at this place, counted from the end where negative. */
  at(index: number): M | undefined {
    return [...this].at(index);
  }

  *[Symbol.iterator](): Generator<M> {
    for (const [, module] of this.children<M>()) yield module;
  }

  override toString(): string {
    return printModule(this, true);
  }

  forward(): Tensor {
    return refuseCall("ModuleList");
  }
}

/**
 * Modules by name. The network calls them one by one, as `this.heads.get("color").call(x)`; the dictionary itself cannot be called.
 *
 *     heads = new ModuleDict({ color: new Linear(8, 3), shape: new Linear(8, 5) });
 */
export class ModuleDict<Modules extends Readonly<Record<string, Module>>> extends Module<Tensor> {
  static readonly type: string = "ModuleDict";

  constructor(modules: Modules) {
    super();
    check(isRecord(modules), () => `ModuleDict: takes an object of modules by name, but got ${describe(modules)}`);
    checkNamed("ModuleDict", modules, this);
    Object.assign(this, modules);
  }

  /** The module of this name. Throws when there is none. */
  get<Name extends keyof Modules & string>(name: Name): Modules[Name] {
    const found = new Map(this.children()).get(name);
    check(found, () => `ModuleDict: there is no module ${describe(name)}; there are ${[...this.keys()].join(", ")}`);
    return found as Modules[Name];
  }

  /** The names, in the order in which they were given. */
  keys(): readonly (keyof Modules & string)[] {
    return [...this.children()].map(([name]) => name);
  }

  *[Symbol.iterator](): Generator<[name: keyof Modules & string, module: Modules[keyof Modules]]> {
    yield* this.children() as Generator<[keyof Modules & string, Modules[keyof Modules]]>;
  }

  forward(): Tensor {
    return refuseCall("ModuleDict");
  }
}

function isRecord(given: unknown): given is Readonly<Record<string, unknown>> {
  return typeof given === "object" && given !== null && !Array.isArray(given) && !(given instanceof Module);
}

/** Throws unless these are modules whose names can be properties of the container. */
function checkNamed(who: string, modules: Readonly<Record<string, unknown>>, container: Module): void {
  checkModules(who, Object.values(modules));
  for (const name of Object.keys(modules))
    check(
      name !== "" && !name.includes(".") && !(name in container),
      () => `${who}: a module cannot be called ${describe(name)}; choose another name`,
    );
}

function checkModules(who: string, modules: readonly unknown[]): void {
  for (const module of modules)
    check(module instanceof Module, () => `${who}: takes modules, but got ${describe(module)}`);
}

function refuseCall(who: string): never {
  throw new Error(`${who}: only holds modules; call those, or use Sequential to apply one after the other`);
}

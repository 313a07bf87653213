import type { Graph, Node } from "../graph/index.ts";
import type { Module, ModuleCall } from "../nn/index.ts";

/** A line of the table: a call of a module, or a module that is not called itself but contains modules that are. */
export interface Entry {
  readonly module: Module;
  /** Name of the property that holds it; its type at the root. */
  readonly name: string;
  /** Properties from the root, where it is `""`. */
  readonly path: string;
  readonly depth: number;
  readonly call?: ModuleCall;
}

/** All calls in order, each after the modules that contain it. */
export function entriesOf(root: ModuleCall): Entry[] {
  const entries: Entry[] = [];
  /** Module of the latest entry at each depth. */
  const open: Module[] = [];
  const add = (entry: Entry): Entry => {
    open.length = entry.depth;
    open.push(entry.module);
    entries.push(entry);
    return entry;
  };
  const visit = (call: ModuleCall, entry: Entry): void => {
    for (const child of call.calls) {
      // a module may also call one that belongs to its caller
      const within = wayTo(entry.module, child.module);
      let { path, depth } = within ? entry : { path: "", depth: 0 };
      for (const [name, module] of within ?? wayTo(root.module, child.module) ?? []) {
        path = path === "" ? name : `${path}.${name}`;
        depth++;
        if (module === child.module) visit(child, add({ module, name, path, depth, call: child }));
        else if (open[depth] !== module) add({ module, name, path, depth });
      }
    }
  };
  visit(root, add({ module: root.module, name: root.name, path: "", depth: 0, call: root }));
  return entries;
}

/** The properties that lead from a module down to one below it, nearest first. */
function wayTo(from: Module, to: Module): (readonly [name: string, module: Module])[] | undefined {
  const children = [...from.children()];
  const own = children.find(([, child]) => child === to);
  if (own) return [own];
  for (const child of children) {
    const rest = wayTo(child[1], to);
    if (rest) return [child, ...rest];
  }
  return undefined;
}

/**
 * The operators that each call adds itself. Nodes carry only the path of their module; when that is called several times, a call
 * has the nodes up to its output that no earlier call has.
 */
export function ownNodes({ nodes }: Graph, calls: readonly ModuleCall[]): Map<ModuleCall, readonly Node[]> {
  const positions = new Map(nodes.flatMap(({ outputs }, at) => outputs.map((value) => [value, at] as const)));
  const scopes = new Map<string, { at: number; node: Node }[]>();
  nodes.forEach((node, at) => {
    if (!scopes.has(node.scope)) scopes.set(node.scope, []);
    scopes.get(node.scope)!.push({ at, node });
  });
  const last = new Map(calls.map((call) => [call.path, call]));
  const own = new Map<ModuleCall, readonly Node[]>();
  for (const call of calls) {
    const end = last.get(call.path) === call ? Infinity : Math.max(...call.outputs.map((y) => positions.get(y) ?? -1));
    const left = scopes.get(call.path) ?? [];
    const next = left.findIndex(({ at }) => at > end);
    own.set(
      call,
      left.splice(0, next < 0 ? left.length : next).map(({ node }) => node),
    );
  }
  return own;
}

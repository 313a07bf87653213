import type { Graph } from "../graph/index.ts";
import type { Module, ModuleCall } from "../nn/index.ts";
import { operator } from "../operators/index.ts";

/** A line of the table: a call of a module, or a module that is not called itself but holds some that are. */
export interface Entry {
  readonly module: Module;
  /** Name of the property that holds it; that of its class at the root. */
  readonly name: string;
  /** Properties from the root, `""` there. */
  readonly path: string;
  readonly depth: number;
  readonly call?: ModuleCall;
}

/** All calls in the order in which they happen, each after the modules that hold it. */
export function entriesOf(root: ModuleCall): Entry[] {
  const entries: Entry[] = [];
  /** Module of the latest entry of each depth. */
  const open: Module[] = [];
  const add = (entry: Entry): Entry => {
    open.length = entry.depth;
    open.push(entry.module);
    entries.push(entry);
    return entry;
  };
  const visit = (call: ModuleCall, entry: Entry): void => {
    for (const child of call.calls) {
      // a module may also call one that is not its own, but its caller's
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
 * MACs of the operators that each call adds itself. Operators carry no more than the path of their module; where it is called
 * several times, a call has those up to its output that no former one has.
 */
export function ownMacs({ nodes }: Graph, calls: readonly ModuleCall[]): Map<ModuleCall, number> {
  const positions = new Map(nodes.flatMap(({ outputs }, at) => outputs.map((value) => [value, at] as const)));
  const costs = new Map<string, { at: number; macs: number }[]>();
  nodes.forEach((node, at) => {
    const macs = operator(node.op, node.domain).macs?.(node) ?? 0;
    if (!costs.has(node.scope)) costs.set(node.scope, []);
    costs.get(node.scope)!.push({ at, macs });
  });
  const last = new Map(calls.map((call) => [call.path, call]));
  const own = new Map<ModuleCall, number>();
  for (const call of calls) {
    const end = last.get(call.path) === call ? Infinity : Math.max(...call.outputs.map((y) => positions.get(y) ?? -1));
    const left = costs.get(call.path) ?? [];
    let macs = 0;
    while (left.length > 0 && left[0]!.at <= end) macs += left.shift()!.macs;
    own.set(call, macs);
  }
  return own;
}

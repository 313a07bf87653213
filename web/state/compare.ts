/** The network beside the one on the stage, and what both have in common. */
import { batch, computed, effect, signal } from "@preact/signals";
import type { Diagram } from "convnets/draw";
import type { Row, RowPair } from "convnets/summary";
import { bench } from "../bench/client.ts";
import type { Network } from "../bench/protocol.ts";
import type { Mark } from "../map/NodeView.tsx";
import { pathOf } from "../map/nodes.ts";
import { isNarrow } from "./preferences.ts";
import { go, route } from "./route.ts";
import { drawing, mapWidth, network, type Pending, pageWidth, rowByPath, sourceOf } from "./stage.ts";

export type Side = "a" | "b";

/** Starts ids of what only the other network has. */
const ONLY_B = "b:";

export const otherNetwork = signal<Pending<Network>>({ busy: false });
export const otherDrawing = signal<Pending<Diagram>>({ busy: false });
export const pairs = signal<readonly RowPair[]>([]);

const wanted = computed(() => {
  const { other, otherVariant, panel } = route.value;
  return other === undefined || panel !== "explore" ? undefined : JSON.stringify({ net: other, variant: otherVariant });
});

effect(() => {
  const key = wanted.value;
  if (key === undefined) return;
  otherNetwork.value = { ...otherNetwork.peek(), busy: true };
  sourceOf(key)
    .then((source) => bench.open("b", source, []))
    .then(
      ({ network: value, problem }) => {
        if (wanted.peek() !== key) return;
        otherNetwork.value = value ? { value, busy: false } : { busy: false, error: problem!.message };
      },
      (error: Error) => {
        if (wanted.peek() !== key) return;
        batch(() => {
          otherNetwork.value = { busy: false, error: error.message };
          otherDrawing.value = { busy: false };
        });
      },
    );
});

effect(() => {
  const [a, b] = [network.value.value, otherNetwork.value.value];
  if (!a || !b || network.value.busy || otherNetwork.value.busy) return;
  const compared = ({ summary: { rows }, settings }: Network) => ({ rows, settings });
  bench.compare(compared(a), compared(b)).then((found) => {
    if (network.peek().value === a && otherNetwork.peek().value === b) pairs.value = found;
  });
});

/** Paths in the other network by those on the stage, and back. */
const counterparts = computed(() => {
  const [toB, toA] = [new Map<string, string>(), new Map<string, string>()];
  for (const { a, b } of pairs.value) {
    if (!a || !b || toB.has(a.path)) continue;
    toB.set(a.path, b.path);
    toA.set(b.path, a.path);
  }
  return { toB, toA };
});

/** An id of the stage for a box of the other network; what only it has is "b:…". */
export function idFromB(id: string): string {
  const path = counterparts.peek().toA.get(pathOf(id));
  if (path !== undefined) return path;
  return otherRows.peek().has(pathOf(id)) ? ONLY_B + id : id;
}

/** The id in the other network; undefined if it has no such part. */
export function idInB(id: string | undefined): string | undefined {
  if (id === undefined) return undefined;
  if (id.startsWith(ONLY_B)) return id.slice(ONLY_B.length);
  const path = counterparts.value.toB.get(pathOf(id));
  return path ?? (rowByPath.value.has(pathOf(id)) ? undefined : id);
}

const otherRows = computed(() => new Map((otherNetwork.value.value?.summary.rows ?? []).map((row) => [row.path, row])));
export const rowInB = (id: string): Row | undefined => otherRows.value.get(pathOf(id));

/** Ids of what is open: matching blocks open together. A selection changes none of them. */
const openInB = computed(() => JSON.stringify(route.value.open.flatMap((id) => idInB(id) ?? [])));
const isExplored = computed(() => route.value.panel === "explore");

let drawn = 0;
effect(() => {
  const { value, busy } = otherNetwork.value;
  const ids = JSON.parse(openInB.value) as string[];
  if (!value || busy || !isExplored.value || wanted.value === undefined) return;
  const number = ++drawn;
  const size = isNarrow.value ? { direction: "down" as const } : { width: pageWidth(mapWidth.value) };
  const show = (next: Pending<Diagram>) => {
    if (number === drawn) otherDrawing.value = next;
  };
  bench.diagram("b", { open: ids, form: "boxes", ...size }).then(
    (diagram) => show({ value: diagram, busy: false }),
    (error: Error) => show({ busy: false, error: error.message }),
  );
});

/** What became of each path of a network. */
const statuses = computed(() => {
  const [a, b] = [new Map<string, Mark>(), new Map<string, Mark>()];
  for (const { a: x, b: y, status } of pairs.value) {
    const mark = status === "onlyA" || status === "onlyB" ? "only" : status;
    if (x && !a.has(x.path)) a.set(x.path, mark);
    if (y && !b.has(y.path)) b.set(y.path, mark);
  }
  return { a, b };
});

/** How the boxes of a side differ: a box stands for all layers in it. */
export function marksOf(side: Side): ReadonlyMap<string, Mark> {
  const diagram = (side === "a" ? drawing : otherDrawing).value.value;
  const known = statuses.value[side];
  const marks = new Map<string, Mark>();
  for (const { id, members, role } of diagram?.nodes ?? []) {
    if (role === "input" || role === "output") continue;
    const own = known.get(pathOf(id));
    const inside = members.flatMap((member) => known.get(pathOf(member)) ?? []);
    const all = role === "block" && own ? [own] : inside;
    if (all.length === 0) continue;
    if (all.every((mark) => mark === "only")) marks.set(id, "only");
    else marks.set(id, all.every((mark) => mark === "same") ? "same" : "changed");
  }
  return marks;
}

/** How many layers both share, how many differ in a setting, and how many only one has. */
export const counts = computed(() => {
  const found = { same: 0, changed: 0, onlyA: 0, onlyB: 0 };
  for (const { a, b, status } of pairs.value) if ((a ?? b)!.leaf) found[status]++;
  return found;
});

export const compareWith = (other: string | undefined, otherVariant?: string) =>
  go({ other, otherVariant, form: undefined, ...(other === undefined && leaveB()) });

/** Without ids that only the other network has. */
function leaveB() {
  const { open, selected } = route.peek();
  return {
    open: open.filter((id) => !id.startsWith(ONLY_B)),
    selected: selected?.startsWith(ONLY_B) ? undefined : selected,
  };
}

/** Exchanges both networks; blocks that are open and what is selected go along. */
export function swap(): void {
  const { net, variant, other, otherVariant, open, selected } = route.peek();
  if (other === undefined) return;
  const across = (id: string) => idInB(id) ?? ONLY_B + id;
  go({
    ...{ net: other, variant: otherVariant, other: net, otherVariant: variant, edits: [], classes: undefined },
    ...{ side: undefined, open: open.map(across), selected: selected === undefined ? undefined : across(selected) },
  });
}

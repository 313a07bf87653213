/** Changes of the network on the stage, which can be undone and done again. They are in the address. */
import { computed, signal } from "@preact/signals";
import type { Edit } from "../bench/protocol.ts";
import { go, route } from "./route.ts";

type Edits = readonly string[];

const past = signal<readonly Edits[]>([]);
const future = signal<readonly Edits[]>([]);

export const canUndo = computed(() => past.value.length > 0);
export const canRedo = computed(() => future.value.length > 0);

/** The changes in an address; what cannot be read is left out. */
export function parseEdits(edits: Edits): Edit[] {
  return edits.flatMap((text) => {
    const [, path, setting, value] = /^(.+):(\w+)=(\d+(?:\.\d+)?)$/.exec(text) ?? [];
    return path && setting ? [{ path, setting, value: Number(value) }] : [];
  });
}

const format = ({ path, setting, value }: Edit) => `${path}:${setting}=${value}`;

function change(edits: Edits): void {
  past.value = [...past.peek(), route.peek().edits];
  future.value = [];
  go({ edits });
}

/** Changes settings of layers; an earlier change of the same setting is replaced. */
export function edit(changes: readonly Edit[]): void {
  const isSame = (a: Edit) => changes.some((b) => a.path === b.path && a.setting === b.setting);
  const kept = parseEdits(route.peek().edits).filter((one) => !isSame(one));
  change([...kept, ...changes].map(format));
}

/** Takes all changes back. */
export const discard = () => change([]);

export function undo(): void {
  const before = past.peek().at(-1);
  if (!before) return;
  past.value = past.peek().slice(0, -1);
  future.value = [...future.peek(), route.peek().edits];
  go({ edits: before });
}

export function redo(): void {
  const after = future.peek().at(-1);
  if (!after) return;
  future.value = future.peek().slice(0, -1);
  past.value = [...past.peek(), route.peek().edits];
  go({ edits: after });
}

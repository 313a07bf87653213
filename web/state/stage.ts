/** The network on the stage, its drawing, and what is selected. One selection rules all: a box, its row, its bar, its card. */
import { batch, computed, effect, signal } from "@preact/signals";
import type { Diagram } from "convnets/draw";
import type { Row } from "convnets/summary";
import { bench } from "../bench/client.ts";
import type { Family, Network, Problem, Source } from "../bench/protocol.ts";
import { pathOf } from "../map/nodes.ts";
import { t } from "../text/index.ts";
import { CODE, code, codeError, inTime, lineOf, runs } from "./code.ts";
import { parseEdits } from "./edits.ts";
import { fileBytes } from "./files.ts";
import { isNarrow } from "./preferences.ts";
import { go, type Route, route } from "./route.ts";

/** A value that the worker computes: what it is now, whether a new one is on its way, and why there is none. */
export interface Pending<T> {
  readonly value?: T;
  readonly busy: boolean;
  readonly error?: string;
}

export const families = signal<readonly Family[]>([]);
export const network = signal<Pending<Network>>({ busy: true });
/** Why the network with the reader's changes cannot be computed; then the map shows it as it was before. */
export const problem = signal<Problem | undefined>(undefined);
export const drawing = signal<Pending<Diagram>>({ busy: true });
/** Id of what the pointer is over, on the map, in the table or in the bars. */
export const hovered = signal<string | undefined>(undefined);

bench.families().then((found) => {
  families.value = found;
});

/** What is opened: changes of it load another network. */
const wanted = computed(() => {
  const { net, variant, classes, side, edits } = route.value;
  if (net === CODE) return JSON.stringify({ net, edits, run: runs.value });
  return JSON.stringify({ net, variant, classes, side, edits });
});

const FILE = "file:";
/** The name of the file that a network is from. */
export const fileName = (net: string) => (net.startsWith(FILE) ? net.slice(FILE.length) : undefined);

/** What people call a network. */
export const titleOf = (net: string): string =>
  net === CODE ? (runs.value > 0 && network.value.value?.title) || t("yourCode") : (fileName(net) ?? net);
/** What people call a network and its variant. */
export const labelOf = (net: string, variant: string | undefined) => `${titleOf(net)}${variant ? `, ${variant}` : ""}`;

/** The network that the address names; a file with its bytes. */
export const currentSource = (): Promise<Source> => sourceOf(wanted.peek());

/** What a network with such a key is loaded from. */
export async function sourceOf(key: string): Promise<Source> {
  const { net, variant, classes, side } = JSON.parse(key);
  if (net === CODE) return { kind: "code" };
  const file = fileName(net);
  if (file !== undefined) return { kind: "file", name: file, bytes: await fileBytes(file) };
  const options = {
    ...(variant && { variant }),
    ...(classes && { numClasses: classes }),
    ...(side && { inputSize: side }),
  };
  return { kind: "registered", name: net, options };
}

effect(() => {
  const key = wanted.value;
  const before = network.peek();
  const { net, edits, run } = JSON.parse(key);
  const isCode = net === CODE;
  if (isCode && run === 0) {
    batch(() => {
      network.value = { busy: false };
      drawing.value = { busy: false };
    });
    return;
  }
  network.value = { ...(before.value && { value: before.value }), busy: true };
  const isLatest = () => wanted.peek() === key;
  sourceOf(key)
    .then((source) => {
      const opened = bench.open("a", source, parseEdits(edits));
      if (isCode) return inTime(opened);
      return opened.then(async (found) => {
        if (found.network || network.peek().value) return found;
        // an address with changes that do not fit shows the network without them
        return { ...(await bench.open("a", source, [])), ...found };
      });
    })
    .then(
      (found) => {
        if (!isLatest()) return;
        batch(() => {
          problem.value = found.problem;
          const value = found.network ?? network.peek().value;
          network.value = value ? { value, busy: false } : { busy: false, error: found.problem!.message };
        });
      },
      (error: Error) => {
        if (!isLatest()) return;
        if (isCode) {
          // the map shows the network as it was when the code last ran
          codeError.value = { message: error.message, line: lineOf(error, (code.peek() ?? "").split("\n").length) };
          network.value = { ...(before.value && { value: before.value }), busy: false };
        } else
          batch(() => {
            network.value = { busy: false, error: error.message };
            drawing.value = { busy: false };
          });
      },
    );
});

/** Width in pixels that the map has; rows are broken to suit it. */
export const mapWidth = signal(1000);

/** How the network is drawn: changes of it lay out another drawing, a selection does not. */
const manner = computed(() => {
  const { open, form, other } = route.value;
  // two networks are compared box by box
  return JSON.stringify({ open, form: other === undefined ? form : "boxes", asked: form });
});

type Options = Parameters<typeof bench.diagram>[1];
/** How the drawing on the map was asked for. */
let current: Options | undefined;
/** The drawing with the selected block open, laid out before somebody opens it. */
let ahead: { readonly of: Network; readonly key: string; readonly diagram: Promise<Diagram> } | undefined;
/** Milliseconds after a selection, when its card has been asked for. */
const SOON = 40;

const opening = computed(() => {
  const { selected } = route.value;
  const node = drawing.value.value?.nodes.find(({ id }) => id === selected);
  return node?.opens && !node.open ? node.id : undefined;
});
effect(() => {
  const id = opening.value;
  const of = network.peek().value;
  if (id === undefined || !of) return;
  const timer = setTimeout(() => {
    if (!current || network.peek().value !== of) return;
    const options = { ...current, open: [...(current.open as readonly string[]), id] };
    const diagram = bench.diagram("a", options);
    diagram.catch(() => undefined);
    ahead = { of, key: JSON.stringify(options), diagram };
  }, SOON);
  return () => clearTimeout(timer);
});

let drawn = 0;
effect(() => {
  const { value, busy } = network.value;
  const { open, form, asked } = JSON.parse(manner.value) as Pick<Route, "open" | "form"> & { asked?: Route["form"] };
  if (!value || busy) return;
  const number = ++drawn;
  const options = {
    open,
    ...(form && { form }),
    ...(isNarrow.value && form !== "solids" ? { direction: "down" as const } : { width: pageWidth(mapWidth.value) }),
  };
  current = options;
  const show = (next: Pending<Diagram>) => {
    if (number === drawn) drawing.value = next;
  };
  const key = JSON.stringify(options);
  (ahead?.of === value && ahead.key === key ? ahead.diagram : bench.diagram("a", options)).then(
    (diagram) => show({ value: diagram, busy: false }),
    // an address may ask for solids where the network has none
    (error: Error) => (asked ? go({ form: undefined }) : show({ busy: false, error: error.message })),
  );
});

/** Steps of 120, so that dragging a border does not lay out the map anew all the time. */
export const pageWidth = (width: number) => Math.max(560, Math.min(1900, Math.round((width * 1.15) / 120) * 120));

export const rows = computed<readonly Row[]>(() => network.value.value?.summary.rows ?? []);

export const rowByPath = computed(() => {
  const found = new Map<string, Row>();
  for (const row of rows.value) if (!found.has(row.path)) found.set(row.path, row);
  return found;
});

/** The row of an id; operators outside layers have none. */
export const rowOf = (id: string | undefined): Row | undefined =>
  id === undefined ? undefined : rowByPath.value.get(pathOf(id));

export const select = (id: string | undefined) => go({ selected: id });

/** Opens a block, or closes it with all that is open in it. */
export function toggle(id: string): void {
  const { open } = route.peek();
  if (open.includes(id)) go({ open: open.filter((one) => one !== id && !one.startsWith(`${id}.`)), selected: id });
  else go({ open: [...open, id] });
}

/** Opens the blocks around an id, so that its own box is on the map. */
export function reveal(id: string): void {
  const diagram = drawing.peek().value;
  const { open } = route.peek();
  const parts = pathOf(id).split(/[./]/);
  const around = parts.slice(0, -1).map((_, i) => parts.slice(0, i + 1).join("."));
  const known = new Set(diagram?.nodes.map((node) => node.id));
  const blocks = around.filter((path) => rowByPath.peek().get(path)?.leaf === false && path !== "");
  // blocks that the map never shows as such do no harm: they have no box to open
  if (!known.has(id)) go({ open: [...new Set([...open, ...blocks])], selected: id });
  else go({ selected: id });
}

/** Opens every block, at any depth. */
export async function openEverything(): Promise<void> {
  const blocks = rows.peek().filter(({ leaf, path }) => !leaf && path !== "");
  const { nodes } = drawing.peek().value ?? { nodes: [] };
  const grouped = nodes.filter(({ opens }) => opens).map(({ id }) => id);
  go({ open: [...new Set([...blocks.map(({ path }) => path), ...grouped])] });
}

/** The network of the page, what is open in it, and what is selected; the part of the address after "#" restores both. */
import { computed, effect, signal } from "@preact/signals";
import { type Diagram, diagramOf, type Structure } from "convnets/draw";
import { nodesOf } from "../map/nodes.ts";
import { language } from "../text/language.ts";
import { dress, isNarrow, systemDark } from "../ui/theme.ts";

/** What `drawHtml` writes into the page. */
interface Content {
  readonly structure: Structure;
  readonly theme: "light" | "dark" | "auto";
  readonly direction?: "right" | "down";
  readonly open: readonly string[];
}

const content: Content = JSON.parse(document.getElementById("content")!.textContent!);
export const { structure } = content;

const given = new URLSearchParams(location.hash.slice(1));
const list = (text: string | null) => text?.split(" ").filter(Boolean);

/** Ids of the open blocks. */
export const open = signal<readonly string[]>(list(given.get("open")) ?? content.open);
export const selected = signal<string | undefined>(given.get("at") ?? undefined);
export const hovered = signal<string | undefined>(undefined);
export const form = signal<Diagram["form"] | undefined>(given.get("form") === "boxes" ? "boxes" : undefined);
export const theme = signal(content.theme);
/** Width in pixels that the map has. */
export const width = signal(innerWidth);

export const isDark = computed(() => (theme.value === "auto" ? systemDark.value : theme.value === "dark"));
effect(() => dress(isDark.value ? "dark" : "light", language.value));

const isSolid = diagramOf(structure).solid && content.direction === undefined && content.open.length === 0;

export const diagram = computed(() => {
  const direction = content.direction ?? (isNarrow.value ? "down" : undefined);
  const shown = isSolid && form.value === undefined && open.value.length === 0 ? "solids" : "boxes";
  // steps, so that dragging a border does not lay out the map anew all the time
  const room = Math.max(560, Math.min(1900, Math.round((width.value * 1.15) / 120) * 120));
  return diagramOf(structure, { open: open.value, form: shown, width: room, ...(direction && { direction }) });
});

/** The box that the card is about: the one under the pointer, else the selected one. A finger has no place to hover. */
export const shown = computed(() => {
  const id = isNarrow.value ? selected.value : (hovered.value ?? selected.value);
  return nodesOf(diagram.value, id)[0];
});

export function toggle(id: string): void {
  const isOpen = open.value.includes(id);
  open.value = isOpen ? open.value.filter((one) => one !== id && !one.startsWith(`${id}.`)) : [...open.value, id];
  selected.value = id;
}

/** Opens every block, at any depth. */
export function openAll(): void {
  const all = new Set(open.value);
  for (;;) {
    const closed = diagramOf(structure, { open: all, form: "boxes" }).nodes.filter((node) => node.opens && !node.open);
    if (closed.length === 0) break;
    for (const { id } of closed) all.add(id);
  }
  open.value = [...all];
}

effect(() => {
  const hash = new URLSearchParams();
  if (open.value.join(" ") !== content.open.join(" ")) hash.set("open", open.value.join(" "));
  if (selected.value !== undefined) hash.set("at", selected.value);
  if (form.value !== undefined) hash.set("form", form.value);
  history.replaceState(null, "", `#${hash}`);
});

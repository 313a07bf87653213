/** What is on the page, as the part of its address after "#": a reload, or the address mailed to somebody else, shows the same. */
import { effect, signal } from "@preact/signals";
import { takeToken } from "./token.ts";

export interface Route {
  /** Id of the panel in the rail. */
  readonly panel: string;
  /** Name of a registered network, or "file:NAME" for one that was opened from a file. */
  readonly net: string;
  readonly variant?: string;
  /** Name and variant of the network beside it. */
  readonly other?: string;
  readonly otherVariant?: string;
  /** Number of classes and side of the input in pixels, where they are not the usual. */
  readonly classes?: number;
  readonly side?: number;
  /** Ids of the open blocks. */
  readonly open: readonly string[];
  /** Settings of layers that were changed, such as "conv1.conv.0:stride=1". */
  readonly edits: readonly string[];
  /** Id of what is selected. */
  readonly selected?: string;
  readonly form?: "boxes" | "solids";
  /** What the colors of the map mean, where it is not the family of a layer. */
  readonly color?: "params" | "macs" | "memory";
  /** What is laid over the picture in Look inside. */
  readonly overlay?: "cam" | "occlusion" | "gradient";
  /** Tab of the dock; "none" hides it. */
  readonly dock: string;
  /** Id of the run that is shown, and of the one whose curves are beside it. */
  readonly run?: string;
  readonly beside?: string;
  /** Names of the runs in the folder that are shown, the first with its details. */
  readonly runs?: readonly string[];
  /** Page of Learn, and what its controls are set to. */
  readonly idea?: string;
  readonly set?: string;
  readonly theme?: "light" | "dark";
  readonly language?: "en" | "zh";
}

/** On a phone the map comes first. */
const isPhone = matchMedia("(max-width: 760px)").matches;

const START: Route = { panel: "explore", net: "googlenet", open: [], edits: [], dock: isPhone ? "none" : "table" };

const THEMES = ["light", "dark"] as const;
const LANGUAGES = ["en", "zh"] as const;
const FORMS = ["boxes", "solids"] as const;
const OVERLAYS = ["cam", "occlusion", "gradient"] as const;
const COLORS = ["params", "macs", "memory"] as const;

/** Reads the part of an address after "#". What cannot be read is left out. */
export function parseRoute(hash: string): Route {
  const [panel = "", query = ""] = hash.replace(/^#\/?/, "").split("?");
  const values = new URLSearchParams(query);
  const text = (name: string) => values.get(name) || undefined;
  const among = <T extends string>(name: string, allowed: readonly T[]) => allowed.find((one) => one === text(name));
  const count = (name: string) => {
    const number = Number(text(name));
    return Number.isInteger(number) && number > 0 ? number : undefined;
  };
  const optional = {
    variant: text("variant"),
    other: text("with"),
    otherVariant: text("with-variant"),
    classes: count("classes"),
    side: count("side"),
    selected: text("at"),
    form: among("form", FORMS),
    color: among("color", COLORS),
    run: text("run"),
    beside: text("beside"),
    runs: text("runs")?.split(",").map(decodeURIComponent),
    overlay: among("overlay", OVERLAYS),
    idea: text("idea"),
    set: text("set"),
    theme: among("theme", THEMES),
    language: among("lang", LANGUAGES),
  };
  return {
    panel: panel || START.panel,
    net: text("net") ?? START.net,
    open: text("open")?.split(" ") ?? [],
    edits: text("edit")?.split(" ") ?? [],
    dock: text("dock") ?? START.dock,
    ...Object.fromEntries(Object.entries(optional).filter(([, value]) => value !== undefined)),
  };
}

/** The part of an address after "#". */
export function formatRoute(route: Route): string {
  const {
    panel,
    net,
    variant,
    other,
    otherVariant,
    classes,
    side,
    open,
    edits,
    selected,
    form,
    color,
    overlay,
    dock,
    run,
    beside,
    runs,
    idea,
    set: settings,
    theme,
    language,
  } = route;
  const values = new URLSearchParams();
  const set = (name: string, value: string | number | undefined) => value !== undefined && values.set(name, `${value}`);
  set("net", net);
  set("variant", variant);
  set("with", other);
  set("with-variant", otherVariant);
  set("classes", classes);
  set("side", side);
  if (open.length > 0) set("open", open.join(" "));
  if (edits.length > 0) set("edit", edits.join(" "));
  set("at", selected);
  set("form", form);
  set("color", color);
  set("overlay", overlay);
  if (dock !== START.dock) set("dock", dock);
  set("run", run);
  set("beside", beside);
  set("runs", runs?.map(encodeURIComponent).join(","));
  if (panel === "learn") {
    set("idea", idea);
    set("set", settings);
  }
  set("theme", theme);
  set("lang", language);
  return `#/${panel}?${values}`;
}

takeToken(location.hash);
export const route = signal<Route>(parseRoute(location.hash));

/** Another network, panel or the like is a step that the browser's back button undoes; a selection is not. */
const isStep = (a: Route, b: Route) =>
  a.net !== b.net ||
  a.other !== b.other ||
  a.panel !== b.panel ||
  a.variant !== b.variant ||
  a.idea !== b.idea ||
  a.run !== b.run;

/** Changes the route; fields set to undefined are removed. */
export function go(change: { readonly [K in keyof Route]?: Route[K] | undefined }): void {
  const before = route.peek();
  const merged = Object.entries({ ...before, ...change }).filter(([, value]) => value !== undefined);
  const after = Object.fromEntries(merged) as unknown as Route;
  if (isStep(before, after)) history.pushState(null, "", formatRoute(after));
  route.value = after;
}

window.addEventListener("popstate", () => {
  takeToken(location.hash);
  route.value = parseRoute(location.hash);
});

effect(() => {
  const hash = formatRoute(route.value);
  if (hash !== location.hash) history.replaceState(null, "", hash);
});

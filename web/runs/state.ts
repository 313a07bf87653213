/** The runs of the folder that the studio was started in, as they grow. */
import { computed, signal } from "@preact/signals";
import { go, route } from "../state/route.ts";
import { ask } from "../state/server.ts";
import type { EpochPoint, ListedRun, Measurements, StepPoint } from "./protocol.ts";

/** A run with what was measured so far. */
export interface Watched {
  readonly run: ListedRun;
  readonly steps: readonly StepPoint[];
  readonly epochs: readonly EpochPoint[];
}

/** All runs; undefined until the server has answered. */
export const list = signal<readonly ListedRun[] | undefined>(undefined);
const measured = signal<ReadonlyMap<string, Watched>>(new Map());
/** Why the server does not say anything. */
export const problem = signal<string | undefined>(undefined);

/** Names of the runs that are shown, in the order in which they were chosen. */
export const chosen = computed<readonly string[]>(() => route.value.runs ?? []);
/** The runs that are shown. */
export const shown = computed(() =>
  chosen.value.map((name) => measured.value.get(name)).filter((one) => one !== undefined),
);

export const choose = (name: string) => go({ runs: [name] });
export function toggle(name: string): void {
  const before = chosen.peek();
  const after = before.includes(name) ? before.filter((one) => one !== name) : [...before, name];
  go({ runs: after.length > 0 ? after : undefined });
}

async function json<T>(path: string, init?: RequestInit): Promise<T> {
  const response = await ask(path, init);
  if (!response.ok) throw new Error(await response.text());
  return response.json() as Promise<T>;
}

const runQuery = (name: string) => new URLSearchParams({ run: name });

async function measure(name: string): Promise<void> {
  const before = measured.peek().get(name);
  // a run that rests does not change
  const listed = list.peek()?.find((run) => run.name === name);
  if (before && listed && listed.state === before.run.state && listed.step === before.run.step && !listed.own) return;
  const after = before?.steps.at(-1)?.step ?? 0;
  const query = `${runQuery(name)}&after=${after}`;
  const { run, from, steps, epochs } = await json<Measurements>(`api/run?${query}`);
  const kept = (before?.steps ?? []).filter(({ step }) => step <= from);
  measured.value = new Map([...measured.peek(), [name, { run, steps: [...kept, ...steps], epochs }]]);
}

export async function refresh(): Promise<void> {
  try {
    list.value = await json<readonly ListedRun[]>("api/runs");
    const known = chosen.peek().filter((name) => list.peek()!.some((run) => run.name === name));
    await Promise.all(known.map(measure));
    problem.value = undefined;
  } catch (error) {
    problem.value = error instanceof TypeError ? "" : (error as Error).message;
  }
}

/** Milliseconds between two questions to the server. */
const EVERY = 1000;

/** Keeps the runs up to date until the function that it returns is called; a hidden page waits. */
export function watch(): () => void {
  let ended = false;
  let timer: ReturnType<typeof setTimeout> | undefined;
  const next = async () => {
    clearTimeout(timer);
    if (ended || document.hidden) return;
    await refresh();
    if (!ended) timer = setTimeout(next, EVERY);
  };
  document.addEventListener("visibilitychange", next);
  next();
  return () => {
    ended = true;
    clearTimeout(timer);
    document.removeEventListener("visibilitychange", next);
  };
}

/** What may be trained here. */
export interface Choices {
  readonly networks: readonly string[];
  readonly data: readonly string[];
}

export const choices = signal<Choices | undefined>(undefined);
export const listChoices = async () => {
  choices.value = await json<Choices>("api/choices");
};

/** Starts a training in Node, and shows it. */
export async function start(order: Readonly<Record<string, unknown>>): Promise<void> {
  const { run } = await json<{ run: string }>("api/start", {
    method: "POST",
    headers: { "Content-Type": "application/json" },
    body: JSON.stringify(order),
  });
  await refresh();
  go({ runs: [run] });
}

const post = async (what: string, name: string) => {
  await json(`api/${what}?${runQuery(name)}`, { method: "POST" });
  await refresh();
};
export const stop = (name: string) => post("stop", name);
export const resume = (name: string) => post("resume", name);

/** The report of a run, as HTML. */
export async function report(name: string): Promise<string> {
  const response = await ask(`api/report?${runQuery(name)}`);
  if (!response.ok) throw new Error(await response.text());
  return response.text();
}

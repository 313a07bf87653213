/** What the next run will be: the network of the stage, images, and settings. Kept for the next visit. */
import { computed, effect, signal } from "@preact/signals";
import { bench } from "../bench/client.ts";
import type { Device } from "../engine/protocol.ts";
import { CODE, code, isStale, runs } from "../state/code.ts";
import { parseEdits } from "../state/edits.ts";
import { route } from "../state/route.ts";
import { currentSource, fileName, network, type Pending, problem } from "../state/stage.ts";
import { t } from "../text/index.ts";
import { trainer } from "./client.ts";
import { start } from "./live.ts";
import type { Asked, DataInfo, DataSpec, Proposal, Trainee } from "./protocol.ts";

const NAME = "convnets-training";

interface Kept {
  readonly data: DataSpec;
  readonly device?: Device;
  /** Settings that were chosen, by network and images. */
  readonly asked: Readonly<Record<string, Asked>>;
}

function recall(): Kept {
  try {
    const found = JSON.parse(localStorage.getItem(NAME) ?? "{}") as Partial<Kept>;
    return { data: { kind: "shapes", images: 2000 }, asked: {}, ...found };
  } catch {
    return { data: { kind: "shapes", images: 2000 }, asked: {} };
  }
}

const first = recall();
export const data = signal<DataSpec>(first.data);
export const device = signal<Device | undefined>(first.device);
const allAsked = signal<Kept["asked"]>(first.asked);

effect(() => {
  const kept: Kept = {
    ...{ data: data.value, asked: allAsked.value },
    ...(device.value && { device: device.value }),
  };
  try {
    localStorage.setItem(NAME, JSON.stringify(kept));
  } catch {
    // a browser without storage starts with the defaults next time
  }
});

/** Data sets in the browser's storage. */
export const sets = signal<readonly DataInfo[]>([]);
export const listSets = async () => {
  sets.value = await trainer.datasets();
};
listSets().catch(() => undefined);

const keyOf = () => {
  const { net, variant = "" } = route.value;
  return `${net} ${variant} ${data.value.kind === "stored" ? data.value.id : "shapes"}`;
};

/** What was chosen for this network on these images. */
export const asked = () => allAsked.value[keyOf()] ?? {};

/** Chooses a setting; undefined goes back to the recipe. */
export function ask<K extends keyof Asked>(name: K, value: Asked[K] | undefined): void {
  const { [name]: _, ...others } = asked();
  allAsked.value = { ...allAsked.peek(), [keyOf()]: value === undefined ? others : { ...others, [name]: value } };
}

export function resetAsked(): void {
  const { [keyOf()]: _, ...others } = allAsked.peek();
  allAsked.value = others;
}

/** Whether the network is code that has not run since this page was opened. */
export const codeWaits = computed(() => route.value.net === CODE && runs.value === 0);

/** The network of the stage, with the reader's changes. Code stays in its sandbox: what it made comes out as an .onnx file. */
async function trainee(): Promise<Trainee> {
  const { net, edits } = route.peek();
  if (problem.peek()) throw new Error(problem.peek()!.message);
  if (net === CODE) {
    const { title } = network.peek().value!;
    const text = code.peek();
    const bytes = await bench.onnx("a", asked().seed ?? 0);
    return { kind: "file", name: `${title}.onnx`, bytes, ...(text !== undefined && !isStale.peek() && { code: text }) };
  }
  const source = (await currentSource()) as Trainee;
  return edits.length > 0 ? { ...source, edits: parseEdits(edits) } : source;
}

/** The next run as it would be, with all its settings. */
export const proposal = signal<Pending<Proposal>>({ busy: true });
let latest = 0;
effect(() => {
  const number = ++latest;
  const chosen = asked();
  const images = data.value;
  // the stage has loaded it first, so that a file is there
  if (network.value.busy) return;
  void problem.value;
  if (codeWaits.value) {
    proposal.value = { busy: false, error: t("trainCodeWaits") };
    return;
  }
  const before = proposal.peek().value;
  proposal.value = { ...(before && { value: before }), busy: true };
  trainee()
    .then((source) => trainer.propose(source, images, chosen))
    .then(
      (value) => {
        if (number === latest) proposal.value = { value, busy: false };
      },
      (error: Error) => {
        if (number === latest) proposal.value = { busy: false, error: error.message };
      },
    );
});

/** Starts the run that is set up. */
export async function startRun(): Promise<void> {
  const { net, edits } = route.peek();
  const name = net === CODE ? network.peek().value!.title : (fileName(net) ?? net);
  const { normalization = true, auxiliary = true } = asked();
  const changed = edits.length > 0 ? t("trainChangedTitle", { name }) : name;
  const bare = normalization ? changed : t("trainWithoutNorm", { name: changed });
  const title = auxiliary ? bare : t("trainWithoutAux", { name: bare });
  await start({
    ...{ title, source: await trainee(), data: data.peek(), asked: asked() },
    ...(device.peek() && { device: device.peek()! }),
  });
}

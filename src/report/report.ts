import type { EpochEvent, Evaluation, Mistake, StepEvent } from "../train/index.ts";
import { chart, type Point } from "./chart.ts";
import { confusionOf, isWide, labelsOf, percent, recallOf } from "./classes.ts";
import { type Html, html, trusted } from "./html.ts";
import { settingsOf } from "./settings.ts";
import { STYLE } from "./style.ts";

/** What a report shows of a step. */
export type ReportStep = Pick<StepEvent, "step" | "loss" | "accuracy" | "lr" | "images" | "seconds">;

/** What a report shows of an epoch. */
export type ReportEpoch = Pick<EpochEvent, "epoch" | "step" | "utilisation" | "best"> & {
  readonly train: Omit<EpochEvent["train"], "metrics">;
  /** Without a top-1 if images have several labels; then its metrics count. */
  readonly validation?:
    | {
        readonly loss: number;
        readonly top1: number | null;
        readonly top5: number | null;
        readonly metrics?: Readonly<Record<string, number | null>> | undefined;
      }
    | undefined;
};

/** How a run ended. "unfinished": it was killed, or still runs. */
export type RunState = "finished" | "stopped early" | "stopped" | "diverged" | "failed" | "unfinished";

/** What a report shows. */
export interface ReportData {
  readonly title: string;
  readonly state: RunState;
  /** What went wrong, if anything. */
  readonly problem?: string;
  /** When it was last active, ISO 8601. */
  readonly time?: string;
  readonly config: Readonly<Record<string, unknown>> & { readonly epochs: number };
  readonly environment: Readonly<Record<string, unknown>>;
  readonly classes: readonly string[];
  readonly steps: readonly ReportStep[];
  readonly epochs: readonly ReportEpoch[];
  /** The evaluation that is shown in detail, and the epoch after which it was made, from 0. */
  readonly evaluation?: Pick<Evaluation, "confusion" | "perLabel"> & { readonly epoch?: number };
  /** Images of the worst mistakes as data URLs; small ones are shown pixel by pixel. */
  readonly pictures: readonly { readonly mistake: Mistake; readonly url: string; readonly small?: boolean }[];
  /** torchinfo's table. */
  readonly summary?: string;
  /** SVG of the network, as `draw` makes it. */
  readonly drawing?: string;
  /** What is missing in the report, and why. */
  readonly notes?: readonly string[];
}

/** Most points of single steps in a chart: more would only blur. */
const MAX_POINTS = 300;
/** With more epochs, their table is folded. */
const MAX_OPEN_EPOCHS = 12;
/**
 * A training as one HTML page that needs nothing else: no script, no network. Light or dark as the reader's system is.
 *
 * Everything in it is escaped except the drawing, which has to come from `draw`.
 */
export function report(data: ReportData): string {
  const { title, state, time, config, epochs, evaluation, classes, pictures, drawing, summary, notes = [] } = data;
  const network = drawing !== undefined || summary !== undefined;
  const after = evaluation?.epoch === undefined ? "" : ` after epoch ${evaluation.epoch + 1}`;
  const parts = [
    data.problem !== undefined && noteOf(data.problem),
    notes.map(noteOf),
    courseOf(data),
    epochs.length > 0 && section("Epochs", epochTable(data)),
    evaluation?.perLabel && section(`Labels${after}`, labelsOf(evaluation.perLabel, classes)),
    evaluation &&
      evaluation.confusion.length > 0 &&
      html`<div class="${isWide(evaluation.confusion.length) ? "" : "pair"}">${section(`Confusion${after}`, confusionOf(evaluation, classes))}${section("Classes", recallOf(evaluation, classes))}</div>`,
    pictures.length > 0 && section("Worst mistakes", mistakes(data)),
    network &&
      section(
        "Network",
        html`${drawing !== undefined && html`<div class="drawing">${trusted(drawing)}</div>`}${
          summary !== undefined && html`<details><summary>Layers</summary><pre>${summary}</pre></details>`
        }`,
      ),
    section("Settings", facts(settingsOf(config))),
    section("Environment", facts(settingsOf(data.environment))),
  ];
  const page = html`<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<meta http-equiv="Content-Security-Policy" content="default-src 'none'; style-src 'unsafe-inline'; img-src data:">
<title>${title}</title>
<style>${trusted(STYLE)}</style>
</head>
<body><main>
<header><h1>${title}</h1><p>${STATES[state]} after ${epochs.length} of ${many(config.epochs, "epoch")}${time !== undefined && ` · ${time.slice(0, 16).replace("T", " ")} UTC`}</p></header>
${cards(data)}
${parts}
<footer>The same training again: <code>convnets train --config config.json</code></footer>
</main></body></html>
`;
  return page.text;
}

const STATES: Readonly<Record<RunState, string>> = {
  finished: "Finished",
  "stopped early": "Stopped early, as it got no better,",
  stopped: "Stopped",
  diverged: "Diverged",
  failed: "Failed",
  unfinished: "Unfinished",
};

const noteOf = (text: string): Html => html`<section class="note"><p>${text}</p></section>`;

const many = (count: number, what: string) => `${count} ${what}${count === 1 ? "" : "s"}`;

const section = (title: string, body: Html): Html => html`<section><h2>${title}</h2>${body}</section>\n`;

/** 4000 → "1 h 7 min" */
function duration(seconds: number): string {
  if (seconds < 60) return `${seconds.toFixed(seconds < 10 ? 1 : 0)} s`;
  const minutes = Math.round(seconds / 60);
  return minutes < 60 ? `${minutes} min` : `${Math.floor(minutes / 60)} h ${minutes % 60} min`;
}

const grouped = (value: number) => value.toLocaleString("en-US", { maximumFractionDigits: value < 10 ? 1 : 0 });

function bestOf(epochs: readonly ReportEpoch[]) {
  return epochs.reduce<ReportEpoch | undefined>(
    (best, epoch) =>
      epoch.validation && scoreOf(epoch) > (best ? scoreOf(best) : Number.NEGATIVE_INFINITY) ? epoch : best,
    undefined,
  );
}

/** What decides which epoch is the best, as in the training: top-1, or the negative loss. */
const scoreOf = ({ validation }: ReportEpoch) =>
  validation!.top1 !== null && Number.isFinite(validation!.top1) ? validation!.top1 : -validation!.loss;

/** Whether images have several labels each. */
const isSeveral = (epochs: readonly ReportEpoch[]) =>
  epochs.some(({ validation }) => validation?.metrics?.meanAveragePrecision !== undefined);

const measure = ({ validation }: ReportEpoch, name: string) => validation?.metrics?.[name] ?? undefined;

function cards({ epochs, steps, classes, config }: ReportData): Html {
  const best = bestOf(epochs);
  const several = isSeveral(epochs);
  const last = epochs.at(-1);
  const sum = <T>(list: readonly T[], of: (item: T) => number) => list.reduce((total, item) => total + of(item), 0);
  // an epoch that was resumed has seen all its images, but not in the seconds since then: steps know better
  const measured = steps.length > 0 ? steps : epochs.map(({ train }) => train);
  const seconds = sum(measured, (part) => part.seconds);
  const images = sum(measured, (part) => part.images);
  const perEpoch = last && `${duration((seconds / images) * last.train.images)} per epoch`;
  const waited = sum(epochs, ({ train, utilisation }) => (1 - utilisation) * train.seconds);
  const share = waited / sum(epochs, ({ train }) => train.seconds);
  const all: (readonly [name: string, value: string, more?: string] | undefined | false)[] = [
    best &&
      several && ["Mean average precision", percent(measure(best, "meanAveragePrecision")), `epoch ${best.epoch + 1}`],
    best && several && ["F1", percent(measure(best, "f1")), `epoch ${best.epoch + 1}`],
    best && !several && ["Best top-1", percent(best.validation!.top1), `epoch ${best.epoch + 1}`],
    best && !several && classes.length > 5 && ["Top-5", percent(best.validation!.top5), `epoch ${best.epoch + 1}`],
    best && ["Validation loss", best.validation!.loss.toFixed(4), `epoch ${best.epoch + 1}`],
    last
      ? [
          "Training loss",
          last.train.loss.toFixed(4),
          `${several ? "labels right" : "accuracy"} ${percent(last.train.accuracy)}, last epoch`,
        ]
      : ["Training loss", steps.at(-1)?.loss.toFixed(4) ?? "–", "last step"],
    ["Epochs", `${epochs.length} / ${config.epochs}`, `${grouped(steps.at(-1)?.step ?? 0)} steps`],
    seconds > 0 && ["Training time", duration(seconds), perEpoch ?? ""],
    seconds > 0 && ["Speed", grouped(images / seconds), "images/s"],
    Number.isFinite(share) && ["Waiting for data", percent(share), "of the training time"],
  ];
  const shown = all.filter((card) => card !== undefined && card !== false);
  return html`<dl class="cards">${shown.map(([name, value, more]) => html`<div><dt>${name}</dt><dd>${value}${more !== undefined && html`<small>${more}</small>`}</dd></div>`)}</dl>`;
}

function courseOf({ steps, epochs }: ReportData): Html | undefined {
  const last = Math.max(steps.at(-1)?.step ?? 0, epochs.at(-1)?.step ?? 0);
  if (last === 0) return undefined;
  // epochs say more than steps, once their length is known
  const [first] = epochs;
  const unit = first ? first.step / (first.epoch + 1) : 1;
  const shared = { xTitle: first ? "epoch" : "step", xRange: [0, last / unit] as const };
  const size = Math.ceil(steps.length / MAX_POINTS);
  const parts = Array.from({ length: size === 0 ? 0 : Math.ceil(steps.length / size) }, (_, i) =>
    steps.slice(i * size, (i + 1) * size),
  );
  const means = (of: (step: ReportStep) => number, per: (step: ReportStep) => number = () => 1): Point[] =>
    parts.map((part) => {
      const total = (value: (step: ReportStep) => number) => part.reduce((sum, step) => sum + value(step), 0);
      return [total(({ step }) => step) / part.length / unit, total(of) / total(per)];
    });
  const perEpoch = (of: (epoch: ReportEpoch) => number | undefined): Point[] =>
    epochs.map((epoch) => [epoch.step / unit, of(epoch) ?? Number.NaN]);
  const best = bestOf(epochs);
  // without an epoch, single steps are all there is to read off
  const faint = first !== undefined;
  const loss = chart({
    ...shared,
    title: "Loss",
    format: significant,
    limits: [0, Number.POSITIVE_INFINITY],
    series: [
      { name: "training, single steps", tone: "train", points: means(({ loss }) => loss), faint },
      { name: "training", tone: "train", points: perEpoch(({ train }) => train.loss) },
      { name: "validation", tone: "validation", points: perEpoch(({ validation }) => validation?.loss) },
    ],
  });
  const several = isSeveral(epochs);
  const accuracy = chart({
    ...shared,
    title: several ? "Share of labels that are right" : "Accuracy (top-1)",
    format: (y) => `${significant(100 * y)}\u00a0%`,
    limits: [0, 1],
    series: [
      { name: "training, single steps", tone: "train", points: means(({ accuracy }) => accuracy), faint },
      { name: "training", tone: "train", points: perEpoch(({ train }) => train.accuracy) },
      {
        name: "validation",
        tone: "validation",
        points: perEpoch((epoch) => (several ? measure(epoch, "accuracy") : (epoch.validation?.top1 ?? undefined))),
      },
    ],
    ...(best &&
      !several && {
        mark: { at: [best.step / unit, best.validation!.top1!], text: `best ${percent(best.validation!.top1!)}` },
      }),
  });
  const lr = chart({
    ...shared,
    title: "Learning rate",
    format: significant,
    limits: [0, Number.POSITIVE_INFINITY],
    whole: true,
    series: [{ name: "rate", tone: "rate", points: means(({ lr }) => lr) }],
  });
  const speed = chart({
    ...shared,
    title: "Images per second",
    format: grouped,
    limits: [0, Number.POSITIVE_INFINITY],
    whole: true,
    series: [
      {
        name: "images/s",
        tone: "train",
        points: means(
          ({ images }) => images,
          ({ seconds }) => seconds,
        ),
      },
    ],
  });
  const box = (figure: Html | undefined, kind: string) =>
    figure && html`<section class="${kind}">${figure}</section>\n`;
  return html`<div class="pair">${box(loss, "")}${box(accuracy, "")}${box(lr, "low")}${box(speed, "low")}</div>`;
}

const significant = (value: number) => String(Number(value.toPrecision(4)));

type Column = readonly [head: string, cell: (epoch: ReportEpoch) => string];

function epochTable({ epochs, classes }: ReportData): Html {
  const best = bestOf(epochs);
  const several = isSeveral(epochs);
  const columns: readonly Column[] = [
    ["epoch", ({ epoch }) => String(epoch + 1)],
    ["training loss", ({ train }) => train.loss.toFixed(4)],
    [several ? "labels right" : "accuracy", ({ train }) => percent(train.accuracy)],
    ["validation loss", ({ validation }) => validation?.loss.toFixed(4) ?? "–"],
    ...(several
      ? ([
          ["mean average precision", (epoch) => percent(measure(epoch, "meanAveragePrecision"))],
          ["F1", (epoch) => percent(measure(epoch, "f1"))],
        ] as const satisfies readonly Column[])
      : ([["top-1", ({ validation }) => percent(validation?.top1)]] as const satisfies readonly Column[])),
    ...(classes.length > 5 && !several
      ? [["top-5", ({ validation }: ReportEpoch) => percent(validation?.top5)] as const]
      : []),
    ["seconds", ({ train }) => train.seconds.toFixed(1)],
    ["images/s", ({ train }) => grouped(train.images / train.seconds)],
    ["waiting", ({ utilisation }) => percent(1 - utilisation)],
  ];
  const table = html`<div class="scroll"><table><thead><tr>${columns.map(([head]) => html`<th>${head}</th>`)}</tr></thead>
<tbody>${epochs.map((epoch) => html`<tr${epoch === best && html` class="best"`}>${columns.map(([, cell]) => html`<td>${cell(epoch)}</td>`)}</tr>\n`)}</tbody></table></div>`;
  if (epochs.length <= MAX_OPEN_EPOCHS) return table;
  return html`<details><summary>All ${epochs.length} epochs</summary>${table}</details>`;
}

function mistakes({ pictures, classes }: ReportData): Html {
  const name = (k: number) => classes[k] ?? String(k);
  const figures = pictures.map(
    ({ mistake: { sample, label, predicted, probability }, url, small }) =>
      html`<figure title="image ${sample} of the validation images"><img class="${small ? "small" : ""}" src="${url}" alt="${name(label)}, taken for ${name(predicted)}"><figcaption><b>${name(predicted)}</b> <span>${percent(probability)} sure</span><small>is ${name(label)}</small></figcaption></figure>\n`,
  );
  return html`<p>What the network was surest of and wrong about: what it saw in the image, how sure it was, and what the image shows.</p><div class="pictures">${figures}</div>`;
}

function facts(settings: readonly (readonly [name: string, value: string])[]): Html {
  return html`<dl class="facts">${settings.map(([name, value]) => html`<div><dt>${name}</dt><dd>${value}</dd></div>`)}</dl>`;
}

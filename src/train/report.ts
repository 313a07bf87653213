import { chart, escapeXml } from "./chart.ts";
import type { Evaluation, Mistake } from "./evaluate.ts";

/** An epoch, as the report needs it. */
export interface ReportEpoch {
  readonly epoch: number;
  readonly step: number;
  readonly train: {
    readonly loss: number;
    readonly accuracy: number;
    readonly images: number;
    readonly seconds: number;
  };
  readonly validation?: { readonly loss: number; readonly top1: number; readonly top5: number } | undefined;
  readonly utilisation: number;
  readonly best: boolean;
}

export interface ReportData {
  readonly title: string;
  readonly config: Readonly<Record<string, unknown>>;
  readonly environment: Readonly<Record<string, unknown>>;
  readonly classes: readonly string[];
  readonly steps: readonly { readonly step: number; readonly loss: number; readonly lr: number }[];
  readonly epochs: readonly ReportEpoch[];
  readonly evaluation?: Evaluation;
  /** Pictures of the worst mistakes as data URLs, in their order. */
  readonly pictures: readonly { readonly mistake: Mistake; readonly url: string }[];
  /** torchinfo's table. */
  readonly summary: string;
  /** SVG of the network. */
  readonly drawing?: string;
}

const percent = (share: number) => (Number.isFinite(share) ? `${(100 * share).toFixed(1)} %` : "–");
const COLORS = { train: "var(--train)", validation: "var(--validation)", rate: "var(--rate)" };

/** A training as one self-contained page, light or dark as the reader's system is. */
export function report(data: ReportData): string {
  const sections: [title: string, body: string][] = [
    ["Course", curves(data)],
    ["Epochs", epochTable(data)],
    ["Confusion", data.evaluation ? confusion(data.evaluation, data.classes) : ""],
    ["Worst mistakes", mistakes(data)],
    [
      "Network",
      `${data.drawing ? `<div class="drawing">${data.drawing}</div>` : ""}<details open><summary>Layers</summary><pre>${escapeXml(data.summary)}</pre></details>`,
    ],
    ["Settings", `<pre>${escapeXml(JSON.stringify(data.config, null, 2))}</pre>`],
    ["Environment", facts(data.environment)],
  ];
  return `<!doctype html>
<html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark"><title>${escapeXml(data.title)}</title><style>${STYLE}</style></head>
<body><main><h1>${escapeXml(data.title)}</h1>${headline(data)}
${sections
  .filter(([, body]) => body !== "")
  .map(([title, body]) => `<section><h2>${title}</h2>${body}</section>`)
  .join("\n")}
</main></body></html>
`;
}

function headline({ epochs, evaluation, steps }: ReportData): string {
  const bestTop1 = Math.max(...epochs.flatMap(({ validation }) => validation?.top1 ?? []));
  const images = epochs.reduce((sum, { train }) => sum + train.images, 0);
  const seconds = epochs.reduce((sum, { train }) => sum + train.seconds, 0);
  const used = epochs.reduce((sum, { utilisation, train }) => sum + utilisation * train.seconds, 0) / seconds;
  const cards: [string, string][] = [
    ["best top-1", percent(bestTop1)],
    ["last top-1", percent(evaluation?.top1 ?? Number.NaN)],
    ["last top-5", percent(evaluation?.top5 ?? Number.NaN)],
    ["last training loss", steps.at(-1)?.loss.toFixed(4) ?? "–"],
    ["epochs", String(epochs.length)],
    ["images per second", seconds > 0 ? String(Math.round(images / seconds)) : "–"],
    ["time not waiting for data", percent(used)],
  ];
  return `<dl class="cards">${cards.map(([name, value]) => `<div><dt>${name}</dt><dd>${value}</dd></div>`).join("")}</dl>`;
}

function curves({ steps, epochs }: ReportData): string {
  const evaluated = epochs.filter(({ validation }) => validation);
  // thousands of points would only blur: means over equal parts of the run
  const size = Math.max(1, Math.ceil(steps.length / 300));
  const means = Array.from({ length: Math.ceil(steps.length / size) }, (_, i) => {
    const part = steps.slice(i * size, (i + 1) * size);
    return [part.at(-1)!.step, part.reduce((sum, { loss }) => sum + loss, 0) / part.length] as const;
  });
  const xRange: [number, number] = [0, steps.at(-1)?.step ?? 1];
  return [
    chart(
      [
        { name: "training, step", color: COLORS.train, points: means, faint: true },
        { name: "training, epoch", color: COLORS.train, points: epochs.map(({ step, train }) => [step, train.loss]) },
        {
          name: "validation",
          color: COLORS.validation,
          points: evaluated.map(({ step, validation }) => [step, validation!.loss]),
        },
      ],
      { title: "Loss", xTitle: "step", xRange },
    ),
    chart(
      [
        { name: "training", color: COLORS.train, points: epochs.map(({ step, train }) => [step, train.accuracy]) },
        {
          name: "validation",
          color: COLORS.validation,
          points: evaluated.map(({ step, validation }) => [step, validation!.top1]),
        },
      ],
      { title: "Accuracy (top-1)", xTitle: "step", percent: true, range: [0, 1], xRange },
    ),
    chart(
      [
        {
          name: "learning rate",
          color: COLORS.rate,
          points: steps.filter((_, i) => i % size === 0).map(({ step, lr }) => [step, lr]),
        },
      ],
      {
        title: "Learning rate",
        xTitle: "step",
        xRange,
      },
    ),
  ].join("");
}

function epochTable({ epochs }: ReportData): string {
  const head = ["epoch", "training loss", "accuracy", "validation loss", "top-1", "top-5", "seconds", ""];
  const rows = epochs.map(({ epoch, train, validation, best }) => [
    String(epoch + 1),
    train.loss.toFixed(4),
    percent(train.accuracy),
    validation?.loss.toFixed(4) ?? "–",
    percent(validation?.top1 ?? Number.NaN),
    percent(validation?.top5 ?? Number.NaN),
    train.seconds.toFixed(1),
    best ? "best" : "",
  ]);
  const cells = (row: readonly string[], tag: string) =>
    `<tr>${row.map((text) => `<${tag}>${text}</${tag}>`).join("")}</tr>`;
  return `<div class="wide"><table><thead>${cells(head, "th")}</thead><tbody>${rows.map((row) => cells(row, "td")).join("")}</tbody></table></div>`;
}

/** A heat map for up to twenty classes, else the pairs that are confused most. */
function confusion({ confusion: counts, perClass }: Evaluation, classes: readonly string[]): string {
  const name = (k: number) => escapeXml(classes[k] ?? String(k));
  if (counts.length > 20) {
    const pairs = counts.flatMap((row, label) => row.map((count, predicted) => ({ label, predicted, count })));
    const most = pairs
      .filter(({ label, predicted, count }) => label !== predicted && count > 0)
      .sort((a, b) => b.count - a.count);
    const rows = most
      .slice(0, 20)
      .map(
        ({ label, predicted, count }) => `<tr><td>${name(label)}</td><td>${name(predicted)}</td><td>${count}</td></tr>`,
      );
    return `<div class="wide"><table><thead><tr><th>is</th><th>taken for</th><th>images</th></tr></thead><tbody>${rows.join("")}</tbody></table></div>`;
  }
  const rows = counts.map((row, label) => {
    const total = row.reduce((sum, count) => sum + count, 0);
    const cells = row.map((count, predicted) => {
      const share = total === 0 ? 0 : count / total;
      const kind = label === predicted ? "right" : "wrong";
      return `<td class="${kind}" style="--share:${share.toFixed(3)}" title="${name(label)} taken for ${name(predicted)}: ${count} of ${total}">${count === 0 ? "" : count}</td>`;
    });
    return `<tr><th>${name(label)}</th>${cells.join("")}<td class="recall">${percent(perClass[label]!)}</td></tr>`;
  });
  const head = counts.map((_, k) => `<th><span>${name(k)}</span></th>`).join("");
  return `<p>Rows are what an image shows, columns what it was taken for, the last column the share of its class that was found.</p><div class="wide"><table class="confusion"><thead><tr><th></th>${head}<th><span>found</span></th></tr></thead><tbody>${rows.join("")}</tbody></table></div>`;
}

function mistakes({ pictures, classes }: ReportData): string {
  if (pictures.length === 0) return "";
  const name = (k: number) => escapeXml(classes[k] ?? String(k));
  const figures = pictures.map(
    ({ mistake, url }) =>
      `<figure><img src="${url}" alt="${name(mistake.label)}"><figcaption><b>${name(mistake.predicted)}</b> ${percent(mistake.probability)}<br>is ${name(mistake.label)}</figcaption></figure>`,
  );
  return `<p>Images that the network was surest of and wrong about.</p><div class="pictures">${figures.join("")}</div>`;
}

function facts(values: Readonly<Record<string, unknown>>): string {
  const rows = Object.entries(values).map(
    ([name, value]) => `<tr><th>${escapeXml(name)}</th><td>${escapeXml(String(value))}</td></tr>`,
  );
  return `<table class="facts"><tbody>${rows.join("")}</tbody></table>`;
}

const STYLE = `
:root{--ink:#1c2733;--soft:#5b6b7b;--page:#fbfbfa;--card:#fff;--rule:#e2e5e8;--train:#2868c8;--validation:#d9622b;--rate:#3a8f5c;--right:40 143 92;--wrong:217 98 43}
@media (prefers-color-scheme:dark){:root{--ink:#e4e9ee;--soft:#98a6b3;--page:#12171c;--card:#1a2128;--rule:#2d3740;--train:#6ea4f0;--validation:#f0905c;--rate:#6cc490;--right:70 170 115;--wrong:235 120 65}}
*{box-sizing:border-box}body{margin:0;background:var(--page);color:var(--ink);font:15px/1.5 system-ui,sans-serif}
main{max-width:1080px;margin:0 auto;padding:24px 16px 64px}h1{font-size:1.6rem;margin:8px 0 20px}h2{font-size:1.15rem;margin:40px 0 12px;border-bottom:1px solid var(--rule);padding-bottom:6px}
.cards{display:grid;grid-template-columns:repeat(auto-fit,minmax(130px,1fr));gap:12px;margin:0}.cards div{background:var(--card);border:1px solid var(--rule);border-radius:8px;padding:10px 14px}
dt{color:var(--soft);font-size:.8rem}dd{margin:2px 0 0;font-size:1.35rem;font-variant-numeric:tabular-nums}
section>figure{display:inline-block;width:min(100%,470px);margin:0 8px 16px 0}figcaption{font-size:.85rem;color:var(--soft)}svg text{fill:var(--soft);font-size:12px}.grid{stroke:var(--rule)}
.wide{overflow-x:auto}table{border-collapse:collapse;font-size:.9rem;font-variant-numeric:tabular-nums}td,th{padding:4px 10px;text-align:right;border-bottom:1px solid var(--rule)}th{color:var(--soft);font-weight:500}
.facts th,.facts td,.confusion tbody th{text-align:left}.confusion td{min-width:38px;text-align:center;border:1px solid var(--page);padding:6px 4px}.confusion thead th{vertical-align:bottom;padding:4px 2px}.confusion thead span{writing-mode:vertical-rl;transform:rotate(180deg)}
.right{background:rgb(var(--right)/calc(.08 + .75*var(--share)))}.wrong{background:rgb(var(--wrong)/calc(3*var(--share)))}.recall{color:var(--soft)}
.pictures{display:grid;grid-template-columns:repeat(auto-fill,minmax(96px,1fr));gap:14px}.pictures figure{margin:0}.pictures img{width:100%;aspect-ratio:1;object-fit:contain;image-rendering:pixelated;background:var(--card);border-radius:6px}
pre{background:var(--card);border:1px solid var(--rule);border-radius:8px;padding:14px;overflow-x:auto;font-size:12px;line-height:1.35}.drawing{overflow-x:auto}.drawing svg{max-width:100%;height:auto}summary{cursor:pointer;color:var(--soft)}
`;

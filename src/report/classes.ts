import type { Evaluation, LabelQuality } from "../train/index.ts";
import { type Html, html } from "./html.ts";

/** With more classes than the second number, a matrix is too small to read; with more than the first, it takes the page's width. */
const [MAX_NARROW_MATRIX, MAX_MATRIX] = [12, 20];
/** Longer lists of classes and of pairs are folded from here on. */
const SHOWN = 20;

type Counts = Pick<Evaluation, "confusion">;

export const percent = (share: number | null | undefined): string =>
  share === undefined || share === null || !Number.isFinite(share) ? "–" : `${(100 * share).toFixed(1)}\u00a0%`;

const sum = (row: readonly number[]) => row.reduce((total, count) => total + count, 0);

/** Whether the confusion matrix takes the width of the page. */
export const isWide = (classes: number): boolean => classes > MAX_NARROW_MATRIX && classes <= MAX_MATRIX;

/** Which classes were confused: a matrix for a few classes, the most frequent mistakes for many. */
export function confusionOf({ confusion }: Counts, classes: readonly string[]): Html {
  return confusion.length <= MAX_MATRIX ? matrix(confusion, classes) : pairs(confusion, classes);
}

function matrix(confusion: readonly (readonly number[])[], classes: readonly string[]): Html {
  const name = (k: number) => classes[k] ?? String(k);
  const share = (label: number, predicted: number) =>
    confusion[label]![predicted]! / Math.max(1, sum(confusion[label]!));
  const wrong = confusion.flatMap((row, label) =>
    row.flatMap((_, predicted) => (label === predicted ? [] : [share(label, predicted)])),
  );
  // mistakes are few: the most frequent one has the full colour
  const most = Math.max(...wrong, 0.05);
  const cell = (label: number, predicted: number) => {
    const count = confusion[label]![predicted]!;
    const right = label === predicted;
    const strength = right ? share(label, predicted) : share(label, predicted) / most;
    const title = `${name(label)} taken for ${name(predicted)}: ${count} of ${sum(confusion[label]!)}`;
    return html`<td class="${right ? "right" : "wrong"} ${strength > 0.5 ? "full" : ""}" style="--strength:${strength.toFixed(3)}" title="${title}">${count === 0 ? "" : count}</td>`;
  };
  return html`<p>Rows: what the image shows. Columns: what it was taken for.</p>
<div class="scroll"><table class="matrix"><thead><tr><td></td>${classes.map((_, k) => html`<th scope="col"><span>${name(k)}</span></th>`)}</tr></thead>
<tbody>${confusion.map((row, label) => html`<tr><th scope="row">${name(label)}</th>${row.map((_, predicted) => cell(label, predicted))}</tr>\n`)}</tbody></table></div>`;
}

function pairs(confusion: readonly (readonly number[])[], classes: readonly string[]): Html {
  const name = (k: number) => classes[k] ?? String(k);
  const most = confusion
    .flatMap((row, label) => row.map((count, predicted) => ({ label, predicted, count })))
    .filter(({ label, predicted, count }) => label !== predicted && count > 0)
    .sort((a, b) => b.count - a.count)
    .slice(0, SHOWN);
  if (most.length === 0) return html`<p>No image was taken for another class.</p>`;
  const rows = most.map(({ label, predicted, count }) => {
    const total = sum(confusion[label]!);
    return html`<tr><td>${name(label)}</td><td>${name(predicted)}</td><td>${count} of ${total}</td><td>${percent(count / total)}</td></tr>`;
  });
  return html`<p>The pairs that were confused most.</p>
<div class="scroll"><table class="names"><thead><tr><th>the image shows</th><th>taken for</th><th>images</th><th>share</th></tr></thead><tbody>${rows}</tbody></table></div>`;
}

/** Recall of each class, the worst first. */
export function recallOf({ confusion }: Counts, classes: readonly string[]): Html {
  const rows = confusion
    .map((row, k) => ({ name: classes[k] ?? String(k), found: row[k]!, images: sum(row) }))
    // a class without images has no share, and comes last
    .map((one) => ({ ...one, share: one.images === 0 ? undefined : one.found / one.images }))
    .sort((a, b) => (a.share ?? 2) - (b.share ?? 2))
    .map(
      ({ name, found, images, share }) =>
        html`<div class="bar"><span>${name}</span><i style="--share:${(100 * (share ?? 0)).toFixed(1)}%" title="${found} of ${images} images"></i><b>${percent(share)}</b></div>`,
    );
  const rest = rows.slice(SHOWN);
  return html`<p>The share of each class that was found, the worst first.</p><div class="bars">${rows.slice(0, SHOWN)}</div>
${rest.length > 0 && html`<details><summary>${rest.length} more classes</summary><div class="bars">${rest}</div></details>`}`;
}

/** How well each of several labels per image is found, the worst first. In evaluation.json, null stands for NaN. */
export function labelsOf(labels: readonly LabelQuality[], classes: readonly string[]): Html {
  const named = labels.map((quality, k) => ({ ...quality, name: classes[k] ?? String(k) }));
  const rank = ({ averagePrecision }: LabelQuality) => (Number.isFinite(averagePrecision) ? averagePrecision : 2);
  const row = ({ name, images, precision, recall, f1, averagePrecision }: (typeof named)[number]) =>
    html`<tr><td>${name}</td><td>${images}</td><td>${percent(precision)}</td><td>${percent(recall)}</td><td>${percent(f1)}</td><td>${percent(averagePrecision)}</td></tr>`;
  const table = (rows: typeof named) =>
    html`<div class="scroll"><table class="names"><thead><tr><th>label</th><th>images</th><th>precision</th><th>recall</th><th>F1</th><th>average precision</th></tr></thead><tbody>${rows.map(row)}</tbody></table></div>`;
  const sorted = named.sort((a, b) => rank(a) - rank(b));
  const rest = sorted.slice(SHOWN);
  return html`<p>A label is given where its probability is above 50\u00a0%; average precision does not depend on that. The worst first.</p>${table(sorted.slice(0, SHOWN))}
${rest.length > 0 && html`<details><summary>${rest.length} more labels</summary>${table(rest)}</details>`}`;
}

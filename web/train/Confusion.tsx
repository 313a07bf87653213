import { useSignal } from "@preact/signals";
import { useEffect, useMemo, useRef } from "preact/hooks";
import { t } from "../text/index.ts";
import { trainer } from "../training/client.ts";
import { confusionOf } from "../training/confusion.ts";
import type { Live } from "../training/live.ts";
import type { EpochRecord, Picture } from "../training/protocol.ts";
import { percent } from "../ui/format.ts";
import { inOwnFrame } from "../ui/frames.ts";
import { Pixels } from "./Pixels.tsx";

/** With more classes than this, a list of the most frequent mistakes says more than a matrix. */
const MOST = 20;
/** Percent of its color that a full cell has: ink can be read on it in both themes. */
const FULL = 62;
/** Pictures that a cell opens. */
const SHOWN = 30;

interface Cell {
  readonly label: number;
  readonly predicted: number;
}

/** What the network takes for what after an epoch; each cell opens its images. */
export function Confusion({ run }: { readonly run: Live }) {
  void run.changed.epochs.value;
  const chosen = useSignal<number | undefined>(undefined);
  const cell = useSignal<Cell | undefined>(undefined);
  const { epochs, labels } = run;
  const { classes, id } = run.info.peek();
  const index = Math.min(chosen.value ?? epochs.length - 1, epochs.length - 1);
  const epoch = epochs[index];
  const counts = useMemo(
    () => (epoch && labels ? confusionOf(epoch.predicted, labels, classes.length) : undefined),
    [epoch, labels],
  );
  return (
    <section class="confusion" aria-label={t("trainConfusion")}>
      <header class="row">
        <h3>{t("trainConfusion")}</h3>
        {epoch && (
          <span class="muted">
            {t("trainAfterEpoch", { epoch: epoch.epoch + 1, accuracy: percent(epoch.validation.top1) })}
          </span>
        )}
      </header>
      {!epoch && <p class="muted empty">{t("trainConfusionEmpty")}</p>}
      {epoch && !labels && <p class="muted empty">{t("trainOtherData")}</p>}
      {epochs.length > 1 && (
        <input
          type="range"
          min={0}
          max={epochs.length - 1}
          value={index}
          aria-label={t("trainEpochSlider")}
          aria-valuetext={t("trainEpochOf", { epoch: index + 1, epochs: epochs.length })}
          onInput={({ currentTarget: { valueAsNumber } }) => {
            // at its end the slider follows the training
            chosen.value = valueAsNumber === epochs.length - 1 ? undefined : valueAsNumber;
          }}
        />
      )}
      {epoch && counts && classes.length <= MOST && (
        <Matrix counts={counts} classes={classes} chosen={cell.value} choose={(one) => (cell.value = one)} />
      )}
      {epoch && counts && classes.length > MOST && (
        <Frequent counts={counts} classes={classes} choose={(one) => (cell.value = one)} />
      )}
      {epoch && counts && <p class="muted small">{t("trainConfusionHint")}</p>}
      {epoch && labels && cell.value && (
        <Pictures
          key={`${cell.value.label} ${cell.value.predicted} ${index}`}
          {...{ id, classes, labels, epoch }}
          cell={cell.value}
        />
      )}
    </section>
  );
}

const told = (classes: readonly string[], { label, predicted }: Cell, count: number) =>
  label === predicted
    ? t("trainCellRight", { label: classes[label]!, count })
    : t("trainCell", { label: classes[label]!, predicted: classes[predicted]!, count });

interface MatrixProps {
  readonly counts: readonly (readonly number[])[];
  readonly classes: readonly string[];
  readonly chosen: Cell | undefined;
  readonly choose: (cell: Cell) => void;
}

function Matrix({ counts, classes, chosen, choose }: MatrixProps) {
  const table = useRef<HTMLTableElement>(null);
  const focus = useSignal<Cell>({ label: 0, predicted: 0 });
  // a hundred new cells at once would keep the page from answering
  const rows = useSignal(1);
  useEffect(() => {
    if (rows.value >= counts.length) return;
    inOwnFrame(rows, () => {
      rows.value += 1;
    });
  }, [rows.value, counts.length]);
  const walk = (event: KeyboardEvent) => {
    const { label, predicted } = focus.peek();
    const move = { ArrowUp: [-1, 0], ArrowDown: [1, 0], ArrowLeft: [0, -1], ArrowRight: [0, 1] }[event.key];
    if (!move) return;
    event.preventDefault();
    const within = (value: number) => Math.min(classes.length - 1, Math.max(0, value));
    focus.value = { label: within(label + move[0]!), predicted: within(predicted + move[1]!) };
    table.current?.querySelector<HTMLElement>(`[data-cell="${focus.value.label} ${focus.value.predicted}"]`)?.focus();
  };
  return (
    <div class="matrix-box">
      <table class="matrix" ref={table} onKeyDown={walk} style={{ "--classes": classes.length }}>
        <thead>
          <tr>
            <td />
            {classes.map((name) => (
              <th key={name} scope="col">
                <span>{name}</span>
              </th>
            ))}
          </tr>
        </thead>
        <tbody>
          {counts.slice(0, rows.value).map((row, label) => {
            const total = row.reduce((sum, count) => sum + count, 0);
            return (
              <tr key={label}>
                <th scope="row">{classes[label]}</th>
                {row.map((count, predicted) => {
                  const isHere = focus.value.label === label && focus.value.predicted === predicted;
                  const isChosen = chosen?.label === label && chosen.predicted === predicted;
                  const share = total > 0 ? count / total : 0;
                  return (
                    <td key={predicted}>
                      <button
                        type="button"
                        data-cell={`${label} ${predicted}`}
                        class={label === predicted ? "is-right" : "is-wrong"}
                        style={{ "--share": `${Math.round(FULL * Math.sqrt(share))}%` }}
                        tabIndex={isHere ? 0 : -1}
                        aria-pressed={isChosen}
                        aria-label={told(classes, { label, predicted }, count)}
                        onFocus={() => (focus.value = { label, predicted })}
                        onClick={() => choose({ label, predicted })}
                      >
                        {count > 0 ? count : ""}
                      </button>
                    </td>
                  );
                })}
              </tr>
            );
          })}
        </tbody>
      </table>
    </div>
  );
}

function Frequent({ counts, classes, choose }: Omit<MatrixProps, "chosen">) {
  const cells = counts
    .flatMap((row, label) => row.map((count, predicted) => ({ label, predicted, count })))
    .filter(({ label, predicted, count }) => label !== predicted && count > 0)
    .sort((a, b) => b.count - a.count)
    .slice(0, 12);
  return (
    <>
      <h4>{t("trainMostConfused")}</h4>
      <ul class="frequent">
        {cells.map((cell) => (
          <li key={`${cell.label} ${cell.predicted}`}>
            <button type="button" class="link" onClick={() => choose(cell)}>
              {told(classes, cell, cell.count)}
            </button>
          </li>
        ))}
      </ul>
    </>
  );
}

interface PicturesProps {
  readonly id: string;
  readonly classes: readonly string[];
  readonly labels: readonly number[];
  readonly epoch: EpochRecord;
  readonly cell: Cell;
}

/** The images of a cell, those first of which the network was surest. */
function Pictures({ id, classes, labels, epoch, cell }: PicturesProps) {
  const pictures = useSignal<readonly Picture[]>([]);
  const { label, predicted } = cell;
  const samples = useMemo(() => {
    const found = labels.flatMap((one, i) => (one === label && epoch.predicted[i] === predicted ? [i] : []));
    found.sort((a, b) => (epoch.sure[b] ?? 0) - (epoch.sure[a] ?? 0));
    trainer.pictures(id, found.slice(0, SHOWN)).then((loaded) => {
      pictures.value = loaded;
    });
    return found;
  }, []);
  const names = { label: classes[label]!, predicted: classes[predicted]! };
  const title = t(label === predicted ? "trainPicturesRight" : "trainPicturesOf", names);
  return (
    <section class="cell-pictures" aria-label={title}>
      <h4>
        {title}{" "}
        <span class="muted">
          {t("trainPicturesSome", { shown: Math.min(SHOWN, samples.length), count: samples.length })}
        </span>
      </h4>
      <div class="thumbs">
        {pictures.value.map((picture) => {
          const sure = epoch.sure[picture.sample];
          return (
            <figure key={picture.sample}>
              <Pixels picture={picture} label={title} />
              {sure !== undefined && <figcaption>{t("trainSureOf", { sure })}</figcaption>}
            </figure>
          );
        })}
      </div>
    </section>
  );
}

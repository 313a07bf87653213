import { useMemo } from "preact/hooks";
import { go, route } from "../state/route.ts";
import { t } from "../text/index.ts";
import { beside, type Live, runs } from "../training/live.ts";
import { Chart, type Drawn } from "./Chart.tsx";
import { nameOf } from "./Runs.tsx";
import { linesOf, type Measure, smoothed } from "./series.ts";

const significant = (value: number) => (value === 0 ? "0" : String(Number(value.toPrecision(3))));
const asPercent = (value: number) => `${Number((100 * value).toPrecision(3))} %`;

function drawn(run: Live, other: Live | undefined, measure: Measure): Drawn[] {
  const own = linesOf(run, measure);
  const lines: Drawn[] = [
    { ...own.training, name: `${t("trainTraining")}*`, color: "--train", width: 1, faint: true },
    { ...smoothed(own.training), name: t("trainTraining"), color: "--train" },
    { ...own.validation, name: t("trainValidation"), color: "--validation", dots: true },
  ];
  if (!other) return lines;
  const earlier = linesOf(other, measure);
  const name = (what: string) => t("trainEarlier", { name: other.info.peek().title, what });
  const dash = [5, 4];
  return [
    { ...smoothed(earlier.training), name: name(t("trainTraining")), color: "--train", width: 1.5, dash },
    { ...earlier.validation, name: name(t("trainValidation")), color: "--validation", width: 1.5, dash },
    ...lines,
  ];
}

/** Loss and accuracy as they come, and those of an earlier run as dashed lines. */
export function Curves({ run }: { readonly run: Live }) {
  const { value: version } = run.changed.steps;
  const other = beside.value === run ? undefined : beside.value;
  const otherVersion = other?.changed.steps.value;
  const loss = useMemo(() => drawn(run, other, "loss"), [version, other, otherVersion, t("trainLoss")]);
  const accuracy = useMemo(() => drawn(run, other, "accuracy"), [version, other, otherVersion, t("trainLoss")]);
  const { id, settings } = run.info.peek();
  const others = runs.value.filter((info) => info.id !== id && info.step > 0);
  const end = Math.max(settings.epochs, other?.info.peek().settings.epochs ?? 0);
  return (
    <section class="curves">
      {others.length > 0 && (
        <label class="setting beside">
          <span>{t("trainBeside")}</span>
          <select
            value={route.value.beside ?? ""}
            onChange={({ currentTarget: { value } }) => go({ beside: value || undefined })}
          >
            <option value="">{t("trainBesideNone")}</option>
            {others.map((info) => (
              <option key={info.id} value={info.id}>
                {nameOf(info)}, {info.created.slice(5, 16).replace("T", " ")}
              </option>
            ))}
          </select>
        </label>
      )}
      {run.steps.length === 0 && !other ? (
        <p class="muted empty">{t("trainNoSteps")}</p>
      ) : (
        <div class="pair">
          <Chart title={t("trainLoss")} lines={loss} end={end} format={significant} />
          <Chart title={t("trainAccuracy")} lines={accuracy} end={end} format={asPercent} most={1} />
        </div>
      )}
    </section>
  );
}

import { useSignal } from "@preact/signals";
import { t } from "../text/index.ts";
import { Chart, type Drawn } from "../train/Chart.tsx";
import { type Axis, linesOf, type Measure } from "./lines.ts";
import { colorOf, nameOf, namesOf, qualityOf, STATES, significant } from "./names.ts";
import type { Watched } from "./state.ts";

const asPercent = (value: number) => `${Number((100 * value).toPrecision(3))} %`;

const AXES = [
  ["steps", "runsSteps"],
  ["epochs", "runsEpochAxis"],
  ["minutes", "runsMinutes"],
] as const satisfies readonly (readonly [Axis, string])[];

/** The curves of the runs that are shown, over the same axes. */
export function Compare({ runs }: { readonly runs: readonly Watched[] }) {
  const axis = useSignal<Axis>("steps");
  const weight = useSignal(0.85);
  const isOne = runs.length === 1;
  const names = namesOf(runs.map(({ run }) => run));
  const drawn = (measure: Measure): Drawn[] => {
    const lines = runs.flatMap((run, i) => {
      const { raw, training, validation } = linesOf(run, measure, { axis: axis.value, weight: weight.value });
      const name = names[i]!;
      const label = (what: string) => (isOne ? what : t("trainEarlier", { name, what }));
      const [color, other] = isOne ? (["--train", "--validation"] as const) : ([colorOf(i), colorOf(i)] as const);
      return [
        ...(weight.value > 0 && measure !== "lr"
          ? [{ ...raw, name: `${name} ${i}*`, color, width: 1, faint: true }]
          : []),
        {
          ...training,
          name: measure === "lr" && !isOne ? name : label(measure === "lr" ? t("runsRate") : t("trainTraining")),
          color,
        },
        ...(measure !== "lr" && measure !== "gradientNorm"
          ? [
              {
                ...validation,
                name: label(t("trainValidation")),
                color: other,
                dots: true,
                ...(!isOne && { dash: [5, 4] }),
              },
            ]
          : []),
      ];
    });
    // the first line of one run is announced before it begins
    return isOne && measure !== "meanAveragePrecision" ? lines : lines.filter(({ x }) => x.length > 0);
  };
  const loss = drawn("loss");
  const end = Math.max(1e-6, ...loss.flatMap(({ x }) => x.slice(-1)));
  const has = (measure: "accuracy" | "f1" | "gradientNorm") =>
    runs.some(({ steps }) => steps[0]?.[measure] !== undefined);
  /** Whether the images of all runs have several labels. */
  const isSeveral = runs.every(({ steps }) => steps[0]?.f1 !== undefined);
  const precision = drawn("meanAveragePrecision");
  const share = (title: string, lines: readonly Drawn[]) => (
    <Chart title={title} lines={lines} end={end} format={asPercent} most={1} />
  );
  return (
    <section class="curves">
      <div class="chart-settings">
        <label class="setting beside">
          <span>{t("runsAxis")}</span>
          <select
            value={axis.value}
            onChange={({ currentTarget: { value } }) => {
              axis.value = AXES.find(([id]) => id === value)![0];
            }}
          >
            {AXES.map(([id, text]) => (
              <option key={id} value={id}>
                {t(text)}
              </option>
            ))}
          </select>
        </label>
        <label class="setting beside">
          <span>{t("runsSmoothing")}</span>
          <input
            type="range"
            min={0}
            max={0.99}
            step={0.01}
            value={weight.value}
            onInput={({ currentTarget: { valueAsNumber } }) => {
              weight.value = valueAsNumber;
            }}
          />
          <b>{weight.value.toFixed(2)}</b>
        </label>
      </div>
      <div class="pair">
        <Chart title={t("trainLoss")} lines={loss} end={end} format={significant} />
        {has("accuracy") && share(t(isSeveral ? "runsRight" : "trainAccuracy"), drawn("accuracy"))}
        {has("f1") && share("F1", drawn("f1"))}
        {precision.length > 0 && share(t("runsPrecision"), precision)}
        <Chart title={t("runsRate")} lines={drawn("lr")} end={end} format={significant} />
        {has("gradientNorm") && (
          <Chart title={t("runsNorm")} lines={drawn("gradientNorm")} end={end} format={significant} />
        )}
      </div>
      {!isOne && <Results runs={runs} />}
    </section>
  );
}

/** Settings and results in columns. */
function Results({ runs }: { readonly runs: readonly Watched[] }) {
  return (
    <section class="results">
      <h3>{t("runsSettings")}</h3>
      {/* what scrolls has to be reachable by keyboard */}
      <div class="results-box" tabIndex={0} role="region" aria-label={t("runsSettings")}>
        <table>
          <thead>
            <tr>
              <th scope="col">{t("runsRun")}</th>
              <th scope="col">{t("runsState")}</th>
              <th scope="col">{t("trainEpochs")}</th>
              <th scope="col">{t("trainBatch")}</th>
              <th scope="col">{t("trainRate")}</th>
              <th scope="col">{t("trainOptimizer")}</th>
              <th scope="col">{t("runsLast")}</th>
              <th scope="col">{t("runsBest")}</th>
            </tr>
          </thead>
          <tbody>
            {runs.map(({ run, steps }, i) => (
              <tr key={run.name}>
                <th scope="row">
                  <i class="swatch" style={{ "--line-color": `var(${colorOf(i)})` }} /> {nameOf(run)}
                  <span class="muted"> {run.name}</span>
                </th>
                <td>{t(STATES[run.state])}</td>
                <td>
                  {run.done} / {run.epochs}
                </td>
                <td>{run.batchSize ?? "–"}</td>
                <td>{run.lr ?? "–"}</td>
                <td>{run.optimizer ?? "–"}</td>
                <td>{steps.length > 0 ? significant(steps.at(-1)!.loss) : "–"}</td>
                <td>{run.best ? qualityOf(run.best) : "–"}</td>
              </tr>
            ))}
          </tbody>
        </table>
      </div>
    </section>
  );
}

import { useSignal } from "@preact/signals";
import { FileText, Map as MapIcon, Play, ScanEye, Square } from "lucide";
import { go } from "../state/route.ts";
import { t } from "../text/index.ts";
import { Dialog } from "../ui/Dialog.tsx";
import { grouped } from "../ui/format.ts";
import { Icon } from "../ui/Icon.tsx";
import { dotOf, nameOf, qualityOf, STATES } from "./names.ts";
import { report, resume, stop, type Watched } from "./state.ts";

/** Steps over which the speed is measured. */
const RECENT = 20;

/** How far a run is, and what can be done with it. */
export function Detail({ watched }: { readonly watched: Watched }) {
  const { run, steps } = watched;
  const shown = useSignal<string | undefined>(undefined);
  const problem = useSignal<string | undefined>(undefined);
  const work = (action: Promise<unknown>) => {
    problem.value = undefined;
    action.catch(({ message }: Error) => {
      problem.value = message;
    });
  };
  const { name, state, done, epochs, own, best } = run;
  const lives = state === "running" || state === "starting" || state === "stopping";
  const recent = steps.slice(-RECENT);
  const seconds = recent.reduce((sum, one) => sum + one.seconds, 0);
  const speed = recent.reduce((sum, one) => sum + one.images, 0) / seconds;
  const weights = `file:${name === "." ? "" : `${name}/`}best.safetensors`;
  const open = (panel: string) =>
    go({
      ...{ panel, net: weights, variant: undefined, classes: undefined, side: undefined },
      ...{ open: [], edits: [], selected: undefined, form: undefined },
    });
  return (
    <header class="run-head">
      <div class="run-title">
        <h2>{nameOf(run)}</h2>
        <p role="status" class={`run-state is-${dotOf(state)}`}>
          <i class={`dot is-${dotOf(state)}`} />
          {t(STATES[state])}
        </p>
        <div class="run-buttons">
          {own && (
            <button
              type="button"
              class="button is-main"
              disabled={state === "stopping"}
              onClick={() => work(stop(name))}
            >
              <Icon icon={Square} size={14} />
              {t("trainStop")}
            </button>
          )}
          {!lives && (state === "stopped" || state === "unfinished") && (
            <button type="button" class="button is-main" onClick={() => work(resume(name))}>
              <Icon icon={Play} size={16} />
              {t("trainResume")}
            </button>
          )}
          {run.weights && (
            <>
              <button type="button" class="button" title={t("runsExploreHint")} onClick={() => open("explore")}>
                <Icon icon={MapIcon} size={16} />
                {t("explore")}
              </button>
              <button type="button" class="button" title={t("runsExploreHint")} onClick={() => open("look")}>
                <Icon icon={ScanEye} size={16} />
                {t("look")}
              </button>
            </>
          )}
          {run.report && (
            <button
              type="button"
              class="button"
              onClick={() =>
                work(
                  report(name).then((html) => {
                    shown.value = html;
                  }),
                )
              }
            >
              <Icon icon={FileText} size={16} />
              {t("runsReport")}
            </button>
          )}
        </div>
      </div>
      <progress
        class="run-progress"
        max={Math.max(1, epochs)}
        value={progressOf(watched)}
        aria-label={t("trainProgress")}
      />
      <p class="run-facts">
        <b>{t("runsEpochs", { done, epochs })}</b>
        {steps.length > 0 && <span>{t("runsAtStep", { step: grouped(steps.at(-1)!.step) })}</span>}
        {lives && seconds > 0 && <span>{t("trainSpeed", { speed: grouped(Math.round(speed)) })}</span>}
        {best && <span>{t("runsBestIs", { quality: qualityOf(best) })}</span>}
        <span class="run-name">{name}</span>
      </p>
      {(problem.value ?? run.problem) && (
        <p class="train-problem" role="alert">
          {problem.value ?? run.problem}
        </p>
      )}
      {shown.value !== undefined && (
        <Dialog
          label={t("runsReportOf", { name: nameOf(run) })}
          name="report"
          onClose={() => {
            shown.value = undefined;
          }}
        >
          {/* a report is somebody's file: without origin, scripts or network */}
          <iframe sandbox="" srcdoc={shown.value} title={t("runsReportOf", { name: nameOf(run) })} />
        </Dialog>
      )}
    </header>
  );
}

/** Epochs that are done, with the part of the current one where it is known how many steps an epoch has. */
function progressOf({ run: { done, epochs }, steps, epochs: ended }: Watched): number {
  const [first] = ended;
  if (!first) return done;
  return Math.min(epochs, Math.max(done, ((steps.at(-1)?.step ?? 0) * (first.epoch + 1)) / first.step));
}

import { Pause, Play, Plus, Square, StepForward } from "lucide";
import type { EngineInfo } from "../engine/protocol.ts";
import { go } from "../state/route.ts";
import { t } from "../text/index.ts";
import { canGoOn, goOn, type Live, pause, stop } from "../training/live.ts";
import { grouped, percent } from "../ui/format.ts";
import { Icon } from "../ui/Icon.tsx";
import { Confusion } from "./Confusion.tsx";
import { Curves } from "./Curves.tsx";
import { Exports } from "./Exports.tsx";
import { Moments } from "./Moments.tsx";
import { nameOf, STATES } from "./Runs.tsx";

/** A run: how far it is, its curves, what it takes for what, its filters, and what can be taken home. */
export function RunView({ run }: { readonly run: Live }) {
  return (
    <article class="run" aria-label={nameOf(run.info.peek())}>
      <Head run={run} />
      <Curves run={run} />
      <Moments run={run} />
      <Confusion run={run} />
      <Exports run={run} />
    </article>
  );
}

/** Steps over which the speed is measured. */
const RECENT = 20;

function pace({ steps, epochs, info }: Live) {
  const { settings, stepsPerEpoch, step: saved } = info.value;
  const recent = steps.slice(-RECENT);
  const seconds = recent.reduce((sum, one) => sum + one.seconds, 0);
  const images = recent.reduce((sum, one) => sum + one.images, 0);
  const done = steps.at(-1)?.step ?? saved;
  const total = settings.epochs * stepsPerEpoch;
  const perEvaluation = epochs.at(-1)?.validation.seconds ?? 0;
  const left =
    ((total - done) * seconds) / Math.max(1, recent.length) + (settings.epochs - epochs.length) * perEvaluation;
  return { done, total, speed: seconds > 0 ? images / seconds : undefined, left: recent.length > 2 ? left : undefined };
}

function duration(seconds: number): string {
  if (seconds < 60) return `${Math.round(seconds)} s`;
  const minutes = Math.floor(seconds / 60);
  return minutes < 60
    ? `${minutes} min ${Math.round(seconds % 60)} s`
    : `${Math.floor(minutes / 60)} h ${minutes % 60} min`;
}

function engineName({ device, threads, gpu, isolated }: EngineInfo): string {
  if (device === "webgpu") return gpu ? t("onGpu", { gpu }) : "WebGPU";
  return threads > 1 ? t("onThreads", { threads }) : isolated ? t("onOneThread") : t("notIsolated");
}

function Head({ run }: { readonly run: Live }) {
  // what was measured changes with it
  void run.changed.steps.value;
  const info = run.info.value;
  const phase = run.phase.value;
  const { done, total, speed, left } = pace(run);
  const { epochs } = info.settings;
  const isResting = phase === "resting";
  const epoch = Math.min(epochs, Math.floor(done / info.stepsPerEpoch) + (done < total ? 1 : 0));
  const inEpoch = done - (epoch - 1) * info.stepsPerEpoch;
  const evaluating = run.evaluating.value;
  const state = {
    resting: t(STATES[info.state === "running" ? "paused" : info.state]),
    compiling: t("trainCompiling"),
    pausing: t("trainPausing"),
    running: evaluating === undefined ? t("trainRunning") : `${t("trainEvaluating")} ${percent(evaluating)}`,
  }[phase];
  const goesOn = canGoOn(info.state) || info.state === "running";
  return (
    <header class="run-head">
      <div class="run-title">
        <h2>{nameOf(info)}</h2>
        <p role="status" class={`run-state is-${isResting ? info.state : "running"}`}>
          <i class={`dot is-${isResting ? info.state : "running"}`} />
          {state}
        </p>
        <div class="run-buttons">
          {isResting && goesOn && (
            <>
              <button type="button" class="button is-main" onClick={() => goOn(info.id, "run")}>
                <Icon icon={Play} size={16} />
                {t("trainResume")}
              </button>
              <button type="button" class="button" onClick={() => goOn(info.id, "step")}>
                <Icon icon={StepForward} size={16} />
                {t("trainStep")}
              </button>
            </>
          )}
          {!isResting && (
            <button type="button" class="button is-main" disabled={phase === "pausing"} onClick={() => pause(run)}>
              <Icon icon={Pause} size={16} />
              {t("trainPause")}
            </button>
          )}
          {(!isResting || info.state === "paused") && (
            <button type="button" class="button" disabled={phase === "pausing"} onClick={() => stop(run)}>
              <Icon icon={Square} size={14} />
              {t("trainStop")}
            </button>
          )}
          {isResting && (
            <button type="button" class="button" onClick={() => go({ run: undefined, beside: info.id })}>
              <Icon icon={Plus} size={16} />
              {t("trainNew")}
            </button>
          )}
        </div>
      </div>
      <progress class="run-progress" max={total} value={done} aria-label={t("trainProgress")} />
      <p class="run-facts">
        <b>{t("trainEpochOf", { epoch, epochs })}</b>
        <span>{t("trainStepOf", { step: grouped(Math.max(0, inEpoch)), steps: grouped(info.stepsPerEpoch) })}</span>
        {speed !== undefined && <span>{t("trainSpeed", { speed: grouped(Math.round(speed)) })}</span>}
        {left !== undefined && phase === "running" && <span>{t("trainLeft", { time: duration(left) })}</span>}
        {run.engine.value && <span>{engineName(run.engine.value)}</span>}
        {(goesOn || !isResting) && (
          <span>{info.step > 0 ? t("trainSaved", { step: grouped(info.step) }) : t("trainNotSaved")}</span>
        )}
      </p>
      {info.problem && (
        <p class="train-problem" role="alert">
          {info.problem}
        </p>
      )}
    </header>
  );
}

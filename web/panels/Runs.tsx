import "uplot/dist/uPlot.min.css";
import "../style/train.css";
import "../style/runs.css";
import { useEffect } from "preact/hooks";
import { Compare } from "../runs/Compare.tsx";
import { Detail } from "../runs/Detail.tsx";
import { colorOf, dotOf, nameOf, qualityOf, STATES } from "../runs/names.ts";
import type { ListedRun } from "../runs/protocol.ts";
import { Start } from "../runs/Start.tsx";
import { choose, chosen, list, problem, shown, toggle, watch } from "../runs/state.ts";
import { go } from "../state/route.ts";
import { hasServer } from "../state/server.ts";
import { t } from "../text/index.ts";

/** The trainings in the folder that the studio was started in: live, compared, started and stopped. */
export default function Runs() {
  return (
    <main class="train native" aria-label={t("runs")}>
      {hasServer() ? <Native /> : <NoServer />}
    </main>
  );
}

function NoServer() {
  return (
    <div class="state">
      <h2>{t("runsNoServer")}</h2>
      <p>{t("runsNoServerWhy")}</p>
      <code>{t("runsNoServerCommand")}</code>
      <button type="button" class="button is-main" onClick={() => go({ panel: "train" })}>
        {t("train")}
      </button>
    </div>
  );
}

function Native() {
  useEffect(() => watch(), []);
  const names = chosen.value;
  const runs = shown.value;
  const [first] = runs;
  const all = list.value;
  return (
    <div class={`train-panel${names.length > 0 ? " has-run" : ""}`}>
      <aside class="train-setup">
        <Start />
        <section class="runs" aria-label={t("runsFolder")}>
          <h2>{t("runsFolder")}</h2>
          <ul>
            {all?.map((run) => (
              <Row key={run.name} run={run} />
            ))}
          </ul>
        </section>
      </aside>
      <div class="train-main" tabIndex={0} role="region" aria-label={t("runsRun")}>
        {problem.value !== undefined && (
          <p class="train-problem" role="alert">
            {problem.value || t("runsGone")}
          </p>
        )}
        {all?.length === 0 && (
          <div class="state is-inline">
            <h2>{t("runsNone")}</h2>
            <p>{t("runsNoneWhy")}</p>
          </div>
        )}
        {all && all.length > 0 && names.length === 0 && (
          <div class="state is-inline">
            <p>{t("runsChoose")}</p>
          </div>
        )}
        {first && (
          <article class="run" aria-label={nameOf(first.run)}>
            {runs.length === 1 && <Detail watched={first} />}
            {runs.some(({ steps }) => steps.length > 0) ? (
              <Compare runs={runs} />
            ) : (
              <p class="muted empty">{t("runsWaiting")}</p>
            )}
          </article>
        )}
      </div>
    </div>
  );
}

function Row({ run }: { readonly run: ListedRun }) {
  const { name, state, done, epochs, best, time } = run;
  const position = chosen.value.indexOf(name);
  const isShown = position >= 0;
  const isMany = chosen.value.length > 1;
  return (
    <li class={isShown ? (isMany ? "is-compared" : "is-chosen") : ""}>
      <button type="button" class="set" aria-current={isShown ? "true" : undefined} onClick={() => choose(name)}>
        <b>
          {isShown && isMany && <i class="swatch" style={{ "--line-color": `var(${colorOf(position)})` }} />}
          {nameOf(run)}
        </b>
        <span>
          <i class={`dot is-${dotOf(state)}`} /> {t(STATES[state])}
          {epochs > 0 && ` · ${t("runsEpochs", { done, epochs })}`}
          {best && ` · ${qualityOf(best)}`}
        </span>
        <span class="run-name">{name === "." ? time.slice(0, 16).replace("T", " ") : name}</span>
      </button>
      <input
        type="checkbox"
        checked={isShown}
        aria-label={t("runsCompare", { name: `${nameOf(run)}, ${name}` })}
        onChange={() => toggle(name)}
      />
    </li>
  );
}

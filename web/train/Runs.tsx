import { useSignal } from "@preact/signals";
import { X } from "lucide";
import { go, route } from "../state/route.ts";
import { type TextKey, t } from "../text/index.ts";
import { removeRun, runs } from "../training/live.ts";
import type { RunInfo, RunState } from "../training/protocol.ts";
import { percent } from "../ui/format.ts";
import { Icon } from "../ui/Icon.tsx";

export const STATES: Readonly<Record<RunState, TextKey>> = {
  running: "trainRunning",
  paused: "trainPausedState",
  stopped: "trainStopped",
  finished: "trainFinished",
  diverged: "trainDiverged",
  failed: "trainFailed",
};

export const nameOf = ({ title, data }: RunInfo) => t("trainOn", { network: title, data });

/** The runs that this browser keeps. */
export function Runs() {
  const list = runs.value;
  return (
    <section class="runs" aria-label={t("trainRuns")}>
      <h3>{t("trainRuns")}</h3>
      {list.length === 0 && <p class="muted">{t("trainNoRuns")}</p>}
      <ul>
        {list.map((info) => (
          <Row key={info.id} info={info} />
        ))}
      </ul>
    </section>
  );
}

function Row({ info }: { readonly info: RunInfo }) {
  const sure = useSignal(false);
  const { id, state, created, best } = info;
  const name = nameOf(info);
  const time = created.slice(0, 16).replace("T", " ");
  return (
    <li class={route.value.run === id ? "is-chosen" : ""}>
      <button
        type="button"
        class="set"
        aria-current={route.value.run === id ? "true" : undefined}
        onClick={() => go({ run: id, ...(route.peek().beside === id && { beside: undefined }) })}
      >
        <b>{name}</b>
        <span>
          <i class={`dot is-${state}`} /> {t(STATES[state])}
          {best && (
            <>
              {" · "}
              <span class="nowrap">{t("trainTop1", { accuracy: percent(best.top1) })}</span>
            </>
          )}
          {" · "}
          <span class="nowrap">{time}</span>
        </span>
      </button>
      <button
        type="button"
        class="quiet"
        aria-label={t("trainRemoveRun", { name: `${name}, ${time}` })}
        onClick={() => (sure.value = !sure.value)}
      >
        <Icon icon={X} size={14} />
      </button>
      {sure.value && (
        <p class="sure">
          <span>{t("trainSureRun")}</span>
          <button type="button" class="button" onClick={() => removeRun(id)}>
            {t("trainYes")}
          </button>
          <button type="button" class="button" onClick={() => (sure.value = false)}>
            {t("trainNo")}
          </button>
        </p>
      )}
    </li>
  );
}

import { Play } from "lucide";
import { MapView } from "../map/MapView.tsx";
import { CODE, code, runCode, runs } from "../state/code.ts";
import { go, route } from "../state/route.ts";
import { drawing, problem as misfit, network, titleOf } from "../state/stage.ts";
import { t } from "../text/index.ts";
import { Icon } from "../ui/Icon.tsx";
import { dialog } from "./dialogs.ts";
import { Misfit } from "./Misfit.tsx";

/** The map, with what there is to say while there is none. */
export function Stage() {
  const { error, busy, value } = network.value;
  const { net, panel } = route.value;
  const name = titleOf(net);
  // a change that does not fit is said by Misfit
  const problem = misfit.value ? undefined : (error ?? drawing.value.error);
  const waits = net === CODE && runs.value === 0;
  return (
    <div class="stage">
      <MapView />
      <Misfit />
      {busy && !value && !waits && (
        <p class="state" role="status">
          {t("loading", { name })}
        </p>
      )}
      {busy && value && <div class="progress" role="status" aria-label={t("loading", { name })} />}
      {waits && (
        <div class="state">
          <h2>{t("codeWaits")}</h2>
          <p>{t("codeWaitsWhy")}</p>
          {code.value !== undefined || panel === "write" ? (
            <button
              type="button"
              class="button is-main"
              onClick={async () => runCode(code.peek() ?? (await import("../write/start.ts")).START)}
            >
              <Icon icon={Play} size={15} />
              {t("run")}
            </button>
          ) : (
            <button type="button" class="button is-main" onClick={() => go({ panel: "write" })}>
              {t("write")}
            </button>
          )}
        </div>
      )}
      {problem && !waits && (
        <div class="state" role="alert">
          <h2>{t("failed", { name })}</h2>
          <p>{problem}</p>
          {panel === "explore" && (
            <button
              type="button"
              class="button is-main"
              onClick={() => {
                dialog.value = "networks";
              }}
            >
              {t("tryThis")}
            </button>
          )}
        </div>
      )}
    </div>
  );
}

import { Dock } from "../dock/Dock.tsx";
import { Inspector } from "../inspector/Inspector.tsx";
import { MapView } from "../map/MapView.tsx";
import { dialog } from "../stage/dialogs.ts";
import { Misfit } from "../stage/Misfit.tsx";
import { route } from "../state/route.ts";
import { drawing, fileName, network } from "../state/stage.ts";
import { t } from "../text/index.ts";

/** The map of a network, with its table, its costs, and what is selected. */
export function Explore() {
  const { error, busy, value } = network.value;
  const name = fileName(route.value.net) ?? route.value.net;
  const problem = error ?? drawing.value.error;
  return (
    <main class="explore">
      <div class="stage">
        <MapView />
        <Misfit />
        {busy && !value && (
          <p class="state" role="status">
            {t("loading", { name })}
          </p>
        )}
        {busy && value && <div class="progress" role="status" aria-label={t("loading", { name })} />}
        {problem && (
          <div class="state" role="alert">
            <h2>{t("failed", { name })}</h2>
            <p>{problem}</p>
            <button type="button" class="button is-main" onClick={() => (dialog.value = "networks")}>
              {t("tryThis")}
            </button>
          </div>
        )}
      </div>
      <Inspector />
      <Dock />
    </main>
  );
}

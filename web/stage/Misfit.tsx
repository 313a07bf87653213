import { canUndo, discard, edit, undo } from "../state/edits.ts";
import { problem, select } from "../state/stage.ts";
import { t } from "../text/index.ts";

/** Where a changed network stops fitting, why, and what would fit. */
export function Misfit() {
  const { value } = problem;
  if (!value) return null;
  const { path, message, remedy } = value;
  const [first, ...others] = remedy;
  return (
    <div class="misfit" role="alert">
      <div>
        <b>{t("doesNotFit")}</b>
        <p>{message}</p>
      </div>
      <div class="misfit-buttons">
        {first && (
          <button type="button" class="button is-main" onClick={() => edit(remedy)}>
            {others.length === 0
              ? t("makeFitOne", { path: first.path })
              : t("makeFit", { count: new Set(remedy.map((one) => one.path)).size })}
          </button>
        )}
        {path !== "" && (
          <button type="button" class="button" onClick={() => select(path)}>
            {t("show")}
          </button>
        )}
        <button type="button" class="button" onClick={canUndo.value ? undo : discard}>
          {t(canUndo.value ? "undo" : "discard")}
        </button>
      </div>
    </div>
  );
}

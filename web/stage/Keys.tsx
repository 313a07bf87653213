import { type TextKey, t } from "../text/index.ts";
import { Dialog } from "../ui/Dialog.tsx";
import { dialog } from "./dialogs.ts";

const KEYS: readonly (readonly [keys: readonly string[], does: TextKey])[] = [
  [["←", "→", "↑", "↓"], "keyArrows"],
  [["Enter"], "keyEnter"],
  [["Esc"], "keyEscape"],
  [["/", "Ctrl K"], "keySearch"],
  [["F"], "keyFit"],
  [["+", "−"], "keyZoom"],
  [["E", "⇧E"], "keyAll"],
  [["1", "2", "3"], "keyDock"],
  [["Ctrl Z", "Ctrl ⇧Z"], "keyUndo"],
  [["?"], "keyHelp"],
];

/** The keys that the page knows. */
export function Keys() {
  return (
    <Dialog name="keys" label={t("keys")} onClose={() => (dialog.value = undefined)}>
      <h2>{t("keys")}</h2>
      <dl class="keys">
        {KEYS.map(([keys, does]) => (
          <div key={does}>
            <dt>
              {keys.map((key) => (
                <kbd key={key}>{key}</kbd>
              ))}
            </dt>
            <dd>{t(does)}</dd>
          </div>
        ))}
      </dl>
    </Dialog>
  );
}

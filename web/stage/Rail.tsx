import { PANELS } from "../panels/registry.ts";
import { CODE } from "../state/code.ts";
import { go, route } from "../state/route.ts";
import { t } from "../text/index.ts";
import { Icon } from "../ui/Icon.tsx";

/** A panel; the editor comes with the network that it makes. */
function openPanel(panel: string): void {
  const { net } = route.peek();
  if (panel === "write" && net !== CODE)
    go({
      panel,
      net: CODE,
      variant: undefined,
      open: [],
      edits: [],
      selected: undefined,
      form: undefined,
      classes: undefined,
      side: undefined,
    });
  else go({ panel });
}

/** The panels; with only one there is nothing to choose. */
export function Rail() {
  if (PANELS.length < 2) return null;
  return (
    <nav class="rail" aria-label={t("panels")}>
      {PANELS.map(({ id, name, icon }) => (
        <button
          key={id}
          type="button"
          aria-current={route.value.panel === id ? "page" : undefined}
          onClick={() => openPanel(id)}
        >
          <Icon icon={icon} size={20} />
          <span>{t(name)}</span>
        </button>
      ))}
    </nav>
  );
}

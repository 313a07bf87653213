import { PANELS } from "../panels/registry.ts";
import { go, route } from "../state/route.ts";
import { t } from "../text/index.ts";
import { Icon } from "../ui/Icon.tsx";

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
          onClick={() => go({ panel: id })}
        >
          <Icon icon={icon} size={20} />
          <span>{t(name)}</span>
        </button>
      ))}
    </nav>
  );
}

import { Moon, Sun } from "lucide";
import { useEffect, useRef } from "preact/hooks";
import { FormChoice, Legend, ZoomButtons } from "../map/controls.tsx";
import { MapCanvas } from "../map/MapCanvas.tsx";
import type { View } from "../map/view.ts";
import { t } from "../text/map.ts";
import { short } from "../ui/format.ts";
import { Icon } from "../ui/Icon.tsx";
import { Card } from "./Card.tsx";
import { diagram, form, hovered, isDark, open, openAll, selected, structure, theme, toggle, width } from "./state.ts";

/** The map with its headline, and the card of what the pointer is over or what is selected. */
export function Page() {
  const view = useRef<View>(null);
  useEffect(() => {
    const keys = (event: KeyboardEvent) => {
      if (event.ctrlKey || event.metaKey || event.altKey) return;
      if (event.key === "e") openAll();
      else if (event.key === "E") open.value = [];
    };
    window.addEventListener("keydown", keys);
    return () => window.removeEventListener("keydown", keys);
  }, []);
  const label = t(isDark.value ? "themeLight" : "themeDark");
  return (
    <main class="page-map">
      <header>
        <h1>{structure.title}</h1>
        <p>
          {short(structure.params)} {t("params")} · {short(structure.macs)} {t("macs")}
        </p>
        {diagram.value.solid && (
          <FormChoice
            diagram={diagram.value}
            onChoose={(chosen) => {
              form.value = chosen === "boxes" ? "boxes" : undefined;
              if (chosen === "solids") open.value = [];
            }}
          />
        )}
        <button
          type="button"
          class="quiet"
          title={label}
          aria-label={label}
          onClick={() => {
            theme.value = isDark.value ? "light" : "dark";
          }}
        >
          <Icon icon={isDark.value ? Sun : Moon} />
        </button>
      </header>
      <div class="map">
        <MapCanvas
          id="map"
          view={view}
          drawing={() => diagram.value}
          owner={() => structure}
          selected={() => selected.value}
          hovered={() => hovered.value}
          onSelect={(id) => {
            selected.value = id;
            // a key may have selected it, while the pointer rests on another box
            hovered.value = undefined;
          }}
          onToggle={toggle}
          onHover={(id) => {
            hovered.value = id;
          }}
          onWidth={(pixels) => {
            width.value = pixels;
          }}
        />
        <ZoomButtons
          view={view}
          diagram={diagram.value}
          open={open.value.length > 0}
          onOpenAll={openAll}
          onCloseAll={() => {
            open.value = [];
          }}
        />
        <Legend diagram={diagram.value} />
      </div>
      <Card />
    </main>
  );
}

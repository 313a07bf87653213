import { signal, useComputed } from "@preact/signals";
import { ChevronDown } from "lucide";
import type { ComponentChildren, FunctionComponent } from "preact";
import { useRef } from "preact/hooks";
import { go, route } from "../state/route.ts";
import { type TextKey, t } from "../text/index.ts";
import { Icon } from "../ui/Icon.tsx";
import { Costs } from "./Costs.tsx";
import { Table } from "./Table.tsx";

/** A tab of the dock. */
export interface DockTab {
  readonly id: string;
  readonly name: TextKey;
  readonly view: FunctionComponent;
}

/** The tabs, in their order; a new one is added here. */
export const DOCK_TABS: readonly DockTab[] = [
  { id: "table", name: "table", view: Table },
  { id: "costs", name: "costs", view: Costs },
];

const HEIGHT = "--dock-height";
/** In pixels, as the style sheet has it until somebody drags the border. */
const height = signal(272);
const STEP = 24;

interface Props {
  readonly children?: ComponentChildren;
  readonly tabs?: readonly DockTab[];
}

/** What lies below the map: the table and the costs, at a height that can be dragged, or only its tabs. */
export function Dock({ children, tabs = DOCK_TABS }: Props) {
  const dock = useRef<HTMLElement>(null);
  const tab = useComputed(() => route.value.dock);
  const chosen = tabs.find(({ id }) => id === tab.value);

  const resize = (wanted: number) => {
    height.value = Math.max(120, Math.min(window.innerHeight - 260, wanted));
    document.documentElement.style.setProperty(HEIGHT, `${height.value}px`);
  };
  const drag = (event: PointerEvent) => {
    const handle = event.currentTarget as HTMLElement;
    handle.setPointerCapture(event.pointerId);
    const [from, before] = [event.clientY, dock.current!.offsetHeight];
    const move = ({ clientY }: PointerEvent) => resize(before + from - clientY);
    handle.addEventListener("pointermove", move);
    handle.addEventListener("lostpointercapture", () => handle.removeEventListener("pointermove", move), {
      once: true,
    });
  };

  return (
    <section ref={dock} class={`dock${chosen ? "" : " is-hidden"}`} aria-label={t("dock")}>
      {chosen && (
        <div
          class="dock-handle"
          role="separator"
          aria-orientation="horizontal"
          aria-label={t("resize")}
          aria-valuenow={height.value}
          tabIndex={0}
          onPointerDown={drag}
          onKeyDown={(event) => {
            const by = event.key === "ArrowUp" ? STEP : event.key === "ArrowDown" ? -STEP : 0;
            if (by === 0) return;
            event.preventDefault();
            resize(dock.current!.offsetHeight + by);
          }}
        />
      )}
      <div class="dock-bar">
        <div class="tabs" role="tablist" aria-label={t("dock")}>
          {tabs.map(({ id, name }) => (
            <button
              key={id}
              type="button"
              role="tab"
              id={`tab-${id}`}
              aria-selected={chosen?.id === id}
              aria-controls={chosen?.id === id ? "dock-panel" : undefined}
              onClick={() => go({ dock: chosen?.id === id ? "none" : id })}
            >
              {t(name)}
            </button>
          ))}
        </div>
        {children}
        {chosen && (
          <button
            type="button"
            class="quiet"
            title={t("hide")}
            aria-label={t("hide")}
            onClick={() => go({ dock: "none" })}
          >
            <Icon icon={ChevronDown} />
          </button>
        )}
      </div>
      {chosen && (
        <div class="dock-panel" id="dock-panel" role="tabpanel" aria-labelledby={`tab-${chosen.id}`}>
          <chosen.view />
        </div>
      )}
    </section>
  );
}

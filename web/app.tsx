import { useComputed } from "@preact/signals";
import { useEffect } from "preact/hooks";
import { DOCK_TABS } from "./dock/Dock.tsx";
import { PANELS } from "./panels/registry.ts";
import { Drop } from "./stage/Drop.tsx";
import { dialog } from "./stage/dialogs.ts";
import { Foot } from "./stage/Foot.tsx";
import { Keys } from "./stage/Keys.tsx";
import { Networks } from "./stage/Networks.tsx";
import { Rail } from "./stage/Rail.tsx";
import { Search } from "./stage/Search.tsx";
import { TopBar } from "./stage/TopBar.tsx";
import { redo, undo } from "./state/edits.ts";
import { go, route } from "./state/route.ts";
import { openEverything } from "./state/stage.ts";
import { t } from "./text/index.ts";

const isTyping = (target: EventTarget | null) =>
  target instanceof HTMLElement && (target.isContentEditable || /^(input|textarea|select)$/i.test(target.tagName));

/** Keys that work everywhere; those of the map are in MapView. */
function globalKeys(event: KeyboardEvent): void {
  const command = event.ctrlKey || event.metaKey;
  if (command && event.key.toLowerCase() === "k") {
    event.preventDefault();
    dialog.value = "search";
    return;
  }
  if (command && event.key.toLowerCase() === "z" && !(event.target as Element).closest?.(".cm-editor")) {
    event.preventDefault();
    if (event.shiftKey) redo();
    else undo();
    return;
  }
  if (command || event.altKey || isTyping(event.target) || dialog.peek()) return;
  const tab = DOCK_TABS[Number(event.key) - 1];
  if (event.key === "/") dialog.value = "search";
  else if (event.key === "?") dialog.value = "keys";
  else if (event.key === "e") openEverything();
  else if (event.key === "E") go({ open: [] });
  else if (tab) go({ dock: tab.id });
  else if (event.key === String(DOCK_TABS.length + 1)) go({ dock: "none" });
  else return;
  event.preventDefault();
}

export function App() {
  useEffect(() => {
    window.addEventListener("keydown", globalKeys);
    return () => window.removeEventListener("keydown", globalKeys);
  }, []);
  // a selection changes the route as well, and nothing here
  const shown = useComputed(() => route.value.panel);
  const panel = PANELS.find(({ id }) => id === shown.value) ?? PANELS[0]!;
  return (
    <div class={`app${PANELS.length > 1 ? " has-rail" : ""}`}>
      <button type="button" class="skip" onClick={() => document.getElementById("map")?.focus()}>
        {t("skip")}
      </button>
      <TopBar />
      <Rail />
      <panel.view />
      <Foot />
      {dialog.value === "networks" && <Networks />}
      {dialog.value === "compare" && <Networks isOther />}
      {dialog.value === "search" && <Search />}
      {dialog.value === "keys" && <Keys />}
      <Drop />
    </div>
  );
}

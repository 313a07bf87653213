import { useSignal } from "@preact/signals";
import { Square } from "lucide";
import { useEffect } from "preact/hooks";
import { Table } from "../dock/Table.tsx";
import { MapsView } from "../look/MapsView.tsx";
import { PictureView } from "../look/PictureView.tsx";
import { openPicture } from "../look/picture.ts";
import { ResponseView } from "../look/ResponseView.tsx";
import { Scores } from "../look/Scores.tsx";
import { active, asked, opened, problem, stop, task } from "../look/state.ts";
import { MapView } from "../map/MapView.tsx";
import { dialog } from "../stage/dialogs.ts";
import { notice } from "../stage/open.ts";
import { route } from "../state/route.ts";
import { drawing, fileName, network } from "../state/stage.ts";
import { t } from "../text/index.ts";
import { Icon } from "../ui/Icon.tsx";

/** A network at work: a picture goes in, and every layer shows what it makes of it. */
export function Look() {
  const choose = useSignal<"map" | "table">("map");
  useEffect(() => {
    active.value = true;
    const paste = (event: ClipboardEvent) => {
      const file = [...(event.clipboardData?.files ?? [])].find(({ type }) => type.startsWith("image/"));
      if (!file) return;
      event.preventDefault();
      openPicture(file, file.name).catch(() => (notice.value = t("notPicture", { name: file.name })));
    };
    window.addEventListener("paste", paste);
    return () => {
      active.value = false;
      window.removeEventListener("paste", paste);
    };
  }, []);
  const name = fileName(route.value.net) ?? route.value.net;
  const failed = network.value.error ?? drawing.value.error;
  return (
    <main class="look">
      <div class="look-side">
        <PictureView />
        <Scores />
      </div>
      <div class="look-main">
        <div class="look-choose">
          <div class="look-tabs">
            <div class="segments" role="group" aria-label={t("chooseLayer")}>
              {(["map", "table"] as const).map((one) => (
                <button
                  key={one}
                  type="button"
                  aria-pressed={choose.value === one}
                  onClick={() => (choose.value = one)}
                >
                  {t(one === "map" ? "mapShort" : "table")}
                </button>
              ))}
            </div>
            <span class="muted weights-note">
              {opened.value && t(opened.value.weights === "file" ? "fileWeights" : "randomWeights")}
            </span>
            <Working />
          </div>
          {choose.value === "map" ? (
            <div class="stage">
              <MapView />
            </div>
          ) : (
            <Table />
          )}
        </div>
        {(problem.value ?? failed) ? (
          <div class="look-problem" role="alert">
            <h2>{t("failed", { name })}</h2>
            <p>{problem.value ?? failed}</p>
            <button type="button" class="button" onClick={() => (dialog.value = "networks")}>
              {t("tryThis")}
            </button>
          </div>
        ) : (
          <div class={`look-maps${asked.value ? " has-response" : ""}`}>
            <MapsView />
            <ResponseView />
          </div>
        )}
      </div>
    </main>
  );
}

/** What is under way, how far it is, and a way to stop it. */
function Working() {
  const { value } = task;
  if (!value) return <div class="working" role="status" />;
  const { name, done, total } = value;
  const share = done !== undefined && total ? done / total : undefined;
  return (
    <div class="working" role="status">
      <span>
        {t(`task_${name}`)}
        {done !== undefined && ` ${done} / ${total}`}
      </span>
      <progress aria-label={t(`task_${name}`)} {...(share !== undefined && { value: share })} max={1} />
      <button type="button" class="button" onClick={stop}>
        <Icon icon={Square} size={12} />
        {t("stop")}
      </button>
    </div>
  );
}

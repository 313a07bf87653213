import { useSignal } from "@preact/signals";
import { FileUp, X } from "lucide";
import { useEffect } from "preact/hooks";
import { t } from "../text/index.ts";
import { Icon } from "../ui/Icon.tsx";
import { dropTaker, notice, openFile } from "./open.ts";

/** Files that are dropped anywhere, and what was wrong with them. */
export function Drop() {
  const over = useSignal(false);
  useEffect(() => {
    const hasFiles = (event: DragEvent) => event.dataTransfer?.types.includes("Files") === true;
    const enter = (event: DragEvent) => {
      if (!hasFiles(event)) return;
      event.preventDefault();
      over.value = true;
    };
    const leave = (event: DragEvent) => {
      if (event.relatedTarget === null) over.value = false;
    };
    const drop = (event: DragEvent) => {
      if (!hasFiles(event)) return;
      event.preventDefault();
      over.value = false;
      if (event.dataTransfer && dropTaker.peek()?.take(event.dataTransfer)) return;
      const [file] = event.dataTransfer?.files ?? [];
      if (file) openFile(file);
    };
    const listeners = { dragenter: enter, dragover: enter, dragleave: leave, drop } as const;
    for (const [name, listener] of Object.entries(listeners)) window.addEventListener(name, listener as EventListener);
    return () => {
      for (const [name, listener] of Object.entries(listeners))
        window.removeEventListener(name, listener as EventListener);
    };
  }, [over]);
  return (
    <>
      {over.value && (
        <div class="drop" aria-hidden="true">
          <div>
            <Icon icon={FileUp} size={40} />
            <b>{t("drop")}</b>
            <span>{t(dropTaker.value?.hint ?? "dropDetail")}</span>
          </div>
        </div>
      )}
      {notice.value && (
        <div class="notice" role="alert">
          <span>{notice.value}</span>
          <button type="button" class="quiet" aria-label={t("close")} onClick={() => (notice.value = undefined)}>
            <Icon icon={X} size={16} />
          </button>
        </div>
      )}
    </>
  );
}

import { useSignal } from "@preact/signals";
import { FileUp, X } from "lucide";
import { useEffect } from "preact/hooks";
import { forget, kept } from "../state/files.ts";
import { go, route } from "../state/route.ts";
import { type ServerFile, serverFiles } from "../state/server.ts";
import { families, fileName } from "../state/stage.ts";
import { t } from "../text/index.ts";
import { Dialog } from "../ui/Dialog.tsx";
import { bytes } from "../ui/format.ts";
import { Icon } from "../ui/Icon.tsx";
import { dialog } from "./dialogs.ts";
import { chooseFile } from "./open.ts";

/** Shows a network, or puts it beside the one that is shown. */
const showAs = (isOther: boolean) => (net: string, variant?: string) => {
  if (isOther) go({ panel: "explore", other: net, otherVariant: variant, form: undefined });
  else
    go({
      ...{
        net,
        variant,
        open: [],
        edits: [],
        selected: undefined,
        form: undefined,
        classes: undefined,
        side: undefined,
      },
    });
  dialog.value = undefined;
};

/** All networks that can be opened: the registered ones by publication, and files. */
export function Networks({ isOther = false }: { readonly isOther?: boolean }) {
  const show = showAs(isOther);
  const offered = useSignal<readonly ServerFile[]>([]);
  useEffect(() => {
    serverFiles().then((files) => {
      offered.value = files;
    });
  }, [offered]);
  const shown = route.value;
  const [net, variant] = isOther ? [shown.other, shown.otherVariant] : [shown.net, shown.variant];
  const label = isOther ? t("compareTitle", { name: fileName(shown.net) ?? shown.net }) : t("openNetwork");
  const own = kept.value.filter((name) => !offered.value.some((file) => file.name === name));
  return (
    <Dialog name="networks" label={label} onClose={() => (dialog.value = undefined)}>
      <header>
        <h2>{label}</h2>
        {!isOther && (
          <>
            <p class="muted">{t("dropHint")}</p>
            <button type="button" class="button is-main" onClick={chooseFile}>
              <Icon icon={FileUp} size={16} />
              {t("openFile")}
            </button>
          </>
        )}
      </header>
      <div class="networks">
        {offered.value.length > 0 && (
          <section>
            <h3>{t("inFolder")}</h3>
            <ul>
              {offered.value.map((file) => (
                <li key={file.name}>
                  <button
                    type="button"
                    class="network"
                    aria-current={net === `file:${file.name}`}
                    onClick={() => show(`file:${file.name}`)}
                  >
                    <b>{file.name}</b>
                    <span>{bytes(file.bytes)}</span>
                  </button>
                </li>
              ))}
            </ul>
          </section>
        )}
        {own.length > 0 && (
          <section>
            <h3>{t("inBrowser")}</h3>
            <ul>
              {own.map((name) => (
                <li key={name} class="with-remove">
                  <button
                    type="button"
                    class="network"
                    aria-current={net === `file:${name}`}
                    onClick={() => show(`file:${name}`)}
                  >
                    <b>{name}</b>
                  </button>
                  <button type="button" class="quiet" aria-label={t("remove", { name })} onClick={() => forget(name)}>
                    <Icon icon={X} size={14} />
                  </button>
                </li>
              ))}
            </ul>
          </section>
        )}
        {families.value.map(({ title, cite, entries }) => (
          <section key={title}>
            <h3>
              {title} <span class="muted">{cite}</span>
            </h3>
            <ul>
              {entries.map((entry) => (
                <li key={entry.name}>
                  <button
                    type="button"
                    class="network"
                    aria-current={net === entry.name && (variant ?? entry.variants[0]) === entry.variants[0]}
                    onClick={() => show(entry.name)}
                  >
                    <b>{entry.name}</b>
                    <span>{entry.title}</span>
                  </button>
                  {entry.variants.length > 1 && (
                    <span class="variants">
                      {entry.variants.map((one, i) => (
                        <button
                          key={one}
                          type="button"
                          class="tag"
                          aria-label={`${entry.name}, ${one}`}
                          aria-current={net === entry.name && (variant ?? entry.variants[0]) === one}
                          onClick={() => show(entry.name, i === 0 ? undefined : one)}
                        >
                          {one}
                        </button>
                      ))}
                    </span>
                  )}
                </li>
              ))}
            </ul>
          </section>
        ))}
      </div>
    </Dialog>
  );
}

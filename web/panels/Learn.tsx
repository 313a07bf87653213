import { signal } from "@preact/signals";
import type { FunctionComponent } from "preact";
import { t } from "../text/index.ts";

const loaded = signal<FunctionComponent | undefined>(undefined);
const failure = signal<string | undefined>(undefined);

function load(): void {
  failure.value = undefined;
  import("../learn/Lessons.tsx").then(
    ({ Lessons }) => {
      loaded.value = Lessons;
    },
    (error: Error) => {
      failure.value = error.message;
    },
  );
}

/** The ideas of the study note, one page each. Their code is loaded when somebody comes here. */
export function Learn() {
  const View = loaded.value;
  if (View) return <View />;
  if (!failure.value) load();
  return (
    <main class="stage" aria-label={t("learn")}>
      {failure.value ? (
        <div class="state" role="alert">
          <h2>{t("failed", { name: t("learn") })}</h2>
          <p>{failure.value}</p>
        </div>
      ) : (
        <p class="state" role="status">
          {t("loading", { name: t("learn") })}
        </p>
      )}
    </main>
  );
}

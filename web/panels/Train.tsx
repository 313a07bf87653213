import { useSignal } from "@preact/signals";
import type { FunctionComponent } from "preact";
import { useEffect } from "preact/hooks";
import { t } from "../text/index.ts";

/** Training in the tab. Its charts and its worker are loaded when the panel is opened first. */
export function Train() {
  const view = useSignal<FunctionComponent | undefined>(undefined);
  useEffect(() => {
    import("../train/TrainView.tsx").then(({ TrainView }) => {
      view.value = TrainView;
    });
  }, [view]);
  const View = view.value;
  return (
    <main class="train" aria-label={t("train")}>
      {View && <View />}
    </main>
  );
}

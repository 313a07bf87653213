import { useSignal, useSignalEffect } from "@preact/signals";
import { t } from "../text/index.ts";
import { trainer } from "../training/client.ts";
import type { Picture } from "../training/protocol.ts";
import { data } from "../training/setup.ts";
import { Pixels } from "./Pixels.tsx";

interface Shown {
  readonly classes: readonly string[];
  readonly pictures: readonly Picture[];
}

const PER_CLASS = 10;
/** With more classes, only the first ones are shown. */
const CLASSES = 20;

/** Images of each class, as the network will see them. */
export function Preview() {
  const shown = useSignal<Shown | undefined>(undefined);
  const problem = useSignal<string | undefined>(undefined);
  useSignalEffect(() => {
    const spec = data.value;
    const isLatest = () => data.peek() === spec;
    problem.value = undefined;
    trainer.preview(spec, PER_CLASS).then(
      (found) => {
        if (isLatest()) shown.value = found;
      },
      ({ message }: Error) => {
        if (isLatest()) problem.value = message;
      },
    );
  });
  const { value } = shown;
  return (
    <section class="preview" aria-label={t("trainPreview")}>
      <h2>{t("trainPreview")}</h2>
      {problem.value && (
        <p class="train-problem" role="alert">
          {problem.value}
        </p>
      )}
      {value && (
        <>
          <p class="muted">{t("trainPreviewHint", { count: value.classes.length })}</p>
          <div class="preview-classes">
            {value.classes.slice(0, CLASSES).map((name, label) => (
              <figure key={name}>
                <figcaption>{name}</figcaption>
                <div>
                  {value.pictures
                    .filter((picture) => picture.label === label)
                    .map((picture) => (
                      <Pixels key={picture.sample} picture={picture} label={name} />
                    ))}
                </div>
              </figure>
            ))}
          </div>
        </>
      )}
    </section>
  );
}

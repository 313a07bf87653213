import { useSignal } from "@preact/signals";
import { FileDown, Map as MapIcon } from "lucide";
import { keep } from "../state/files.ts";
import { go } from "../state/route.ts";
import { t } from "../text/index.ts";
import { trainer } from "../training/client.ts";
import type { Live } from "../training/live.ts";
import type { ExportFormat } from "../training/protocol.ts";
import { Icon } from "../ui/Icon.tsx";

/** What a run gives to take home, and the way to the stage. */
export function Exports({ run }: { readonly run: Live }) {
  const busy = useSignal(false);
  const problem = useSignal<string | undefined>(undefined);
  const { id, best, step } = run.info.value;
  if (step === 0) return null;
  const work = async (use: () => Promise<void>) => {
    busy.value = true;
    problem.value = undefined;
    try {
      await use();
    } catch (error) {
      problem.value = (error as Error).message;
    } finally {
      busy.value = false;
    }
  };
  const save = (format: ExportFormat) =>
    work(async () => {
      const { name, bytes } = await trainer.exportRun(id, format);
      const address = URL.createObjectURL(new Blob([bytes]));
      Object.assign(document.createElement("a"), { href: address, download: name }).click();
      // the browser reads it before long
      setTimeout(() => URL.revokeObjectURL(address), 60_000);
    });
  const show = () =>
    work(async () => {
      // weights know which registered network they belong to; other networks come along with theirs
      const { name, bytes } = await trainer.exportRun(id, "stage");
      await keep(new File([bytes], name));
      go({
        ...{ panel: "explore", net: `file:${name}`, variant: undefined, classes: undefined, side: undefined },
        ...{ open: [], selected: undefined, form: undefined },
      });
    });
  const button = (format: ExportFormat, text: string) => (
    <button type="button" class="button" disabled={busy.value} onClick={() => save(format)}>
      <Icon icon={FileDown} size={16} />
      {text}
    </button>
  );
  return (
    <section class="exports" aria-label={t("trainTake")}>
      <header class="row">
        <h3>{t("trainTake")}</h3>
        <span class="muted">{best ? t("trainTakeHint", { epoch: best.epoch + 1 }) : t("trainTakeLast")}</span>
      </header>
      <div class="row">
        {button("safetensors", ".safetensors")}
        {button("pth", ".pth")}
        {button("onnx", ".onnx")}
        {button("report", t("trainReport"))}
        {button("code", t("trainCode"))}
        {button("pytorch", t("trainPytorch"))}
        <button type="button" class="button" disabled={busy.value} title={t("trainExploreHint")} onClick={show}>
          <Icon icon={MapIcon} size={16} />
          {t("trainExplore")}
        </button>
      </div>
      {problem.value && (
        <p class="train-problem" role="alert">
          {problem.value}
        </p>
      )}
    </section>
  );
}

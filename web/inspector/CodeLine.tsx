import { useSignal } from "@preact/signals";
import { Check, Copy } from "lucide";
import { t } from "../text/index.ts";
import { Icon } from "../ui/Icon.tsx";

const SHOWN = 1500;

/** The expression that builds a layer, with a button that copies it. */
export function CodeLine({ code, name }: { readonly code: string; readonly name: string }) {
  const copied = useSignal(false);
  const copy = async () => {
    await navigator.clipboard.writeText(code);
    copied.value = true;
    setTimeout(() => {
      copied.value = false;
    }, SHOWN);
  };
  return (
    <section class="code">
      <h3>{t("code")}</h3>
      <pre>
        <code>
          {/^[A-Za-z_]\w*$/.test(name) ? `${name} = ` : ""}
          {code
            .split(/\b(new|true|false)\b|(?<![\w$])(\d+(?:\.\d+)?(?:e-?\d+)?)/)
            .map((part, i) =>
              part === undefined ? null : i % 3 === 1 ? (
                <b key={i}>{part}</b>
              ) : i % 3 === 2 ? (
                <i key={i}>{part}</i>
              ) : (
                part
              ),
            )}
        </code>
      </pre>
      <button
        type="button"
        class="quiet"
        title={t(copied.value ? "copied" : "copy")}
        aria-label={t(copied.value ? "copied" : "copy")}
        onClick={copy}
      >
        <Icon icon={copied.value ? Check : Copy} size={16} />
      </button>
    </section>
  );
}

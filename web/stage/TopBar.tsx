import { ChevronDown, CircleHelp, Columns2, Moon, Search as SearchIcon, Sun } from "lucide";
import { theme } from "../state/preferences.ts";
import { go, route } from "../state/route.ts";
import { fileName, network, titleOf } from "../state/stage.ts";
import { t } from "../text/index.ts";
import { short } from "../ui/format.ts";
import { Icon } from "../ui/Icon.tsx";
import { Logo } from "../ui/Logo.tsx";
import { dialog } from "./dialogs.ts";

const isMac = /mac|iphone|ipad/i.test(navigator.userAgent);

/** Name of the network, search, theme, language. */
export function TopBar() {
  const { net, variant, panel, other, otherVariant } = route.value;
  const { value, busy } = network.value;
  const otherTheme = theme.value === "dark" ? "light" : "dark";
  return (
    <header class="top">
      <h1 class="unseen">convnets studio: {titleOf(net)}</h1>
      <a class="brand" href="#/explore" aria-label="convnets studio">
        <Logo />
        <span>convnets</span>
      </a>
      <div class="pickers">
        <button type="button" class="picker" aria-haspopup="dialog" onClick={() => (dialog.value = "networks")}>
          <b>{titleOf(net)}</b>
          {variant && <span class="tag">{variant}</span>}
          {value && (
            <span class={`picker-facts${busy ? " is-busy" : ""}`}>
              {short(value.summary.totals.params)} {t("paramsShort")} · {short(value.summary.totals.macs)} MACs
            </span>
          )}
          <Icon icon={ChevronDown} size={16} />
        </button>
        {panel === "explore" && (
          <button
            type="button"
            class={`compare-button${other === undefined ? "" : " has-other"}`}
            aria-haspopup="dialog"
            aria-label={
              other === undefined
                ? t("compare")
                : `${t("compareWith")} ${fileName(other) ?? other}${otherVariant ? ` ${otherVariant}` : ""}`
            }
            onClick={() => (dialog.value = "compare")}
          >
            <Icon icon={Columns2} size={16} />
            {other === undefined ? (
              <span>{t("compare")}</span>
            ) : (
              <>
                <b>{fileName(other) ?? other}</b>
                {otherVariant && <span class="tag">{otherVariant}</span>}
              </>
            )}
          </button>
        )}
      </div>
      <button type="button" class="search-button" aria-haspopup="dialog" onClick={() => (dialog.value = "search")}>
        <Icon icon={SearchIcon} size={16} />
        <span>{t("search")}</span>
        <kbd>{isMac ? "⌘K" : "Ctrl K"}</kbd>
      </button>
      <div class="top-end">
        <button
          type="button"
          class="quiet"
          title={t(otherTheme === "dark" ? "themeDark" : "themeLight")}
          aria-label={t(otherTheme === "dark" ? "themeDark" : "themeLight")}
          onClick={() => go({ theme: otherTheme })}
        >
          <Icon icon={otherTheme === "dark" ? Moon : Sun} />
        </button>
        <button
          type="button"
          class="quiet language"
          aria-label={`${t("language")}: ${t("languageLabel")}`}
          lang={t("language") === "EN" ? "en" : "zh-CN"}
          onClick={() => go({ language: t("language") === "EN" ? "en" : "zh" })}
        >
          {t("language")}
        </button>
        <button
          type="button"
          class="quiet help"
          title={`${t("keys")} (?)`}
          aria-label={t("keys")}
          onClick={() => (dialog.value = "keys")}
        >
          <Icon icon={CircleHelp} />
        </button>
      </div>
    </header>
  );
}

import type { EditorView } from "@codemirror/view";
import { useSignalEffect } from "@preact/signals";
import { Play } from "lucide";
import { useEffect, useRef } from "preact/hooks";
import { Inspector } from "../inspector/Inspector.tsx";
import { Stage } from "../stage/Stage.tsx";
import { changeCode, code, codeError, isStale, runCode } from "../state/code.ts";
import { t } from "../text/index.ts";
import { Icon } from "../ui/Icon.tsx";
import { createEditor, showError } from "../write/editor.ts";
import { START } from "../write/start.ts";

/** A network of one's own: the code beside its map. */
export default function Write() {
  const box = useRef<HTMLDivElement>(null);
  const editor = useRef<EditorView>(null);
  const run = () => runCode(code.peek() ?? START);

  useEffect(() => {
    const view = createEditor({
      parent: box.current!,
      code: code.peek() ?? START,
      label: t("yourCode"),
      onChange: changeCode,
      onRun: run,
    });
    editor.current = view;
    return () => view.destroy();
  }, []);

  useSignalEffect(() => {
    const error = codeError.value;
    if (editor.current) showError(editor.current, error);
  });

  return (
    <main class="write">
      <section class="write-code" aria-label={t("yourCode")}>
        <header>
          <h2>{t("yourCode")}</h2>
          <button type="button" class={`button${isStale.value ? " is-main" : ""}`} onClick={run}>
            <Icon icon={Play} size={15} />
            {t("run")}
            <kbd>Ctrl ↵</kbd>
          </button>
        </header>
        <div ref={box} class="editor" />
        {codeError.value && (
          <p class="code-error" role="alert">
            {codeError.value.line !== undefined && <b>{t("line", { line: codeError.value.line })} </b>}
            {codeError.value.message}
          </p>
        )}
      </section>
      <Stage />
      <Inspector />
    </main>
  );
}

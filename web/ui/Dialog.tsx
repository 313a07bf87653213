import { X } from "lucide";
import type { ComponentChildren } from "preact";
import { useEffect, useRef } from "preact/hooks";
import { t } from "../text/index.ts";
import { Icon } from "./Icon.tsx";

interface Props {
  readonly label: string;
  readonly name: string;
  readonly onClose: () => void;
  readonly children: ComponentChildren;
}

/** A dialog above the page; Escape and a click beside it close it, and the focus goes back to where it was. */
export function Dialog({ label, name, onClose, children }: Props) {
  const element = useRef<HTMLDialogElement>(null);
  useEffect(() => {
    const before = document.activeElement as HTMLElement | null;
    element.current?.showModal();
    return () => before?.focus?.();
  }, []);
  return (
    <dialog
      ref={element}
      class={`dialog dialog-${name}`}
      aria-label={label}
      onClose={onClose}
      onClick={(event) => {
        if (event.target === element.current) onClose();
      }}
    >
      <div class="dialog-inner">
        {children}
        <button type="button" class="quiet dialog-close" aria-label={t("close")} onClick={onClose}>
          <Icon icon={X} />
        </button>
      </div>
    </dialog>
  );
}

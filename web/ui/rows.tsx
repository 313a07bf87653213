import { useSignal, useSignalEffect } from "@preact/signals";
import { useEffect, useRef } from "preact/hooks";

/** Height of a row in pixels. */
const HEIGHT = 30;
/** Rows that are in the page above and below those in sight. */
const BEYOND = 6;

/**
 * Rows of a long table of which only those in sight are in the page. `chosen` reads signals; when it gives another row, that row comes
 * into sight. `props` are for the box that scrolls; the rows are those from `first` up to `last`, with a `Gap` before and behind.
 */
export function useRows(count: number, chosen: () => number) {
  const box = useRef<HTMLDivElement>(null);
  const seen = useSignal({ top: 0, height: 400 });
  useEffect(() => {
    const observer = new ResizeObserver(([entry]) => {
      seen.value = { ...seen.peek(), height: entry!.contentRect.height };
    });
    observer.observe(box.current!);
    return () => observer.disconnect();
  }, [seen]);
  useSignalEffect(() => {
    const at = chosen();
    const element = box.current;
    if (at < 0 || !element) return;
    const { top: seenTop, height } = seen.peek();
    const top = at * HEIGHT;
    const inside = height - 2 * HEIGHT;
    if (top >= seenTop && top <= seenTop + inside) return;
    const to = Math.max(0, Math.round(top - inside / 2));
    seen.value = { height, top: to };
    // once the rows are there: scrolling at once would make the browser lay out the page in between
    requestAnimationFrame(() => {
      element.scrollTop = to;
    });
  });
  const onScroll = ({ currentTarget: { scrollTop: top } }: { readonly currentTarget: HTMLElement }) => {
    if (top !== seen.peek().top) seen.value = { ...seen.peek(), top };
  };
  return {
    props: { ref: box, onScroll },
    first: Math.max(0, Math.floor(seen.value.top / HEIGHT) - BEYOND),
    last: Math.min(count, Math.ceil((seen.value.top + seen.value.height) / HEIGHT) + BEYOND),
  };
}

/** Stands for rows that are not in the page. */
export const Gap = ({ rows }: { readonly rows: number }) =>
  rows > 0 ? <tr aria-hidden="true" style={{ height: `${rows * HEIGHT}px` }} /> : null;

import { useSignal } from "@preact/signals";
import type { FunctionComponent } from "preact";
import { useEffect } from "preact/hooks";

/** A component whose code is loaded when it is first shown, so that the page starts fast. */
export function later(load: () => Promise<{ readonly default: FunctionComponent }>): FunctionComponent {
  let loaded: FunctionComponent | undefined;
  return function Later() {
    const ready = useSignal(loaded !== undefined);
    useEffect(() => {
      load().then((module) => {
        loaded = module.default;
        ready.value = true;
      });
    }, [ready]);
    const View = ready.value ? loaded : undefined;
    return View ? <View /> : <main />;
  };
}

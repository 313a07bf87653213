import { useComputed } from "@preact/signals";
import { Dock } from "../dock/Dock.tsx";
import { Inspector } from "../inspector/Inspector.tsx";
import { Stage } from "../stage/Stage.tsx";
import { route } from "../state/route.ts";
import { later } from "../ui/Later.tsx";

const Compare = later(() => import("../compare/Compare.tsx"));

/** The map of a network, with its table, its costs, and what is selected. */
export function Explore() {
  const isCompared = useComputed(() => route.value.other !== undefined);
  if (isCompared.value) return <Compare />;
  return (
    <main class="explore">
      <Stage />
      <Inspector />
      <Dock />
    </main>
  );
}

import { Dock } from "../dock/Dock.tsx";
import { Inspector } from "../inspector/Inspector.tsx";
import { Stage } from "../stage/Stage.tsx";

/** The map of a network, with its table, its costs, and what is selected. */
export function Explore() {
  return (
    <main class="explore">
      <Stage />
      <Inspector />
      <Dock />
    </main>
  );
}

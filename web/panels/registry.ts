import { ChartSpline, FolderClock, GraduationCap, type IconNode, Network, ScanEye, SquarePen } from "lucide";
import type { FunctionComponent } from "preact";
import type { TextKey } from "../text/index.ts";
import { later } from "../ui/Later.tsx";
import { Explore } from "./Explore.tsx";
import { Learn } from "./Learn.tsx";
import { Look } from "./Look.tsx";
import { Train } from "./Train.tsx";

/** What an entry of the rail shows. A panel fills the stage between the top bar and the foot line. */
export interface Panel {
  /** Its part of the address: "#/explore". */
  readonly id: string;
  readonly name: TextKey;
  readonly icon: IconNode;
  readonly view: FunctionComponent;
}

/** The panels, in the order of the rail. docs/studio.md says how to add one. */
export const PANELS: readonly Panel[] = [
  { id: "explore", name: "explore", icon: Network, view: Explore },
  { id: "look", name: "look", icon: ScanEye, view: Look },
  { id: "write", name: "write", icon: SquarePen, view: later(() => import("./Write.tsx")) },
  { id: "train", name: "train", icon: ChartSpline, view: Train },
  { id: "runs", name: "runs", icon: FolderClock, view: later(() => import("./Runs.tsx")) },
  { id: "learn", name: "learn", icon: GraduationCap, view: Learn },
];

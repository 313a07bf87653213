/** An Inception block: each branch as a ribbon that is as wide as its channels. */
import { grouped } from "../../ui/format.ts";
import { Answer } from "../answer.tsx";
import type { InceptionCosts } from "../compute.ts";
import { say } from "../words.ts";

type Branch = InceptionCosts["branches"][number];

const HEIGHT = 64;
const WIDTH = 240;
/** Channels of the widest part of any ribbon. */
const WIDEST = 208;

/** From one width to another, smoothly. */
function ribbon(from: number, to: number, left: number, right: number): string {
  const [a, b] = [from, to].map((channels) => Math.max(1, (channels / WIDEST) * HEIGHT) / 2) as [number, number];
  const middle = HEIGHT / 2;
  const [start, end] = [left + (right - left) * 0.25, left + (right - left) * 0.75];
  const upper = `M${left},${middle - a}L${start},${middle - a}C${(start + end) / 2},${middle - a} ${(start + end) / 2},${middle - b} ${end},${middle - b}L${right},${middle - b}`;
  const lower = `L${right},${middle + b}L${end},${middle + b}C${(start + end) / 2},${middle + b} ${(start + end) / 2},${middle + a} ${start},${middle + a}L${left},${middle + a}Z`;
  return upper + lower;
}

const stepName = (kind: string, kernel: number) =>
  kind === "pool" ? say(`pool ${kernel}×${kernel}`, `池化 ${kernel}×${kernel}`) : `${kernel}×${kernel}`;

interface RibbonsProps {
  readonly title: string;
  readonly costs: InceptionCosts;
  /** Branches that are switched off. */
  readonly off?: readonly string[];
}

export function Ribbons({ title, costs, off = [] }: RibbonsProps) {
  return (
    <div class="ribbons">
      <h3>{title}</h3>
      <ol>
        {costs.branches.map((branch) => (
          <Row key={branch.name} branch={branch} isOff={off.includes(branch.name)} />
        ))}
      </ol>
    </div>
  );
}

function Row({ branch, isOff }: { readonly branch: Branch; readonly isOff: boolean }) {
  const { steps, weights } = branch;
  const part = WIDTH / steps.length;
  return (
    <li class={isOff ? "is-off" : ""}>
      <svg viewBox={`0 0 ${WIDTH} ${HEIGHT}`} preserveAspectRatio="none" aria-hidden="true">
        {steps.map(({ kind, from, to }, i) => (
          <path key={i} class={`ribbon kind-${kind}`} d={ribbon(from, to, i * part, (i + 1) * part)} />
        ))}
      </svg>
      <p>
        <span>
          <span class="unseen">{branch.name}: </span>
          {steps[0]!.from}
          {steps.map(({ kind, kernel, to }, i) => (
            <span key={i}>
              {" "}
              → <span class={`ink-${kind}`}>{stepName(kind, kernel)}</span> → {to}
            </span>
          ))}
        </span>
        <b>
          <Answer>{grouped(weights)}</Answer>
        </b>
      </p>
    </li>
  );
}

import type { Totals as Costs } from "convnets/summary";
import type { Network } from "../bench/protocol.ts";
import { otherNetwork } from "../state/compare.ts";
import { route } from "../state/route.ts";
import { labelOf, network } from "../state/stage.ts";
import { type TextKey, t } from "../text/index.ts";
import { bytes, grouped, perSample, shape } from "../ui/format.ts";

const field = ({ receptiveField: [height, width] }: Costs) => `${height}×${width}`;

interface Fact {
  readonly name: TextKey;
  readonly number: (costs: Costs) => number;
  readonly shown: (costs: Costs) => string;
}

const FACTS: readonly Fact[] = [
  { name: "params", number: ({ params }) => params, shown: ({ params }) => grouped(params) },
  { name: "macs", number: ({ macs }) => macs, shown: ({ macs }) => grouped(macs) },
  { name: "memory", number: (costs) => costs.activationBytes, shown: (costs) => bytes(costs.activationBytes) },
  { name: "weights", number: ({ paramBytes }) => paramBytes, shown: ({ paramBytes }) => bytes(paramBytes) },
  {
    name: "weightLayers",
    number: ({ weightLayers }) => weightLayers,
    shown: ({ weightLayers }) => String(weightLayers),
  },
  { name: "field", number: ({ receptiveField }) => Math.max(...receptiveField), shown: field },
];

const outputOf = ({ summary }: Network) => shape(perSample(summary.rows[0]?.outputSize));

/** What both networks cost, and b as a multiple of a. */
export function Totals() {
  const [a, b] = [network.value.value, otherNetwork.value.value];
  const { net, variant, other, otherVariant } = route.value;
  if (!a || !b) return null;
  const [first, second] = [a.summary.totals, b.summary.totals];
  return (
    <div class="table-box" tabIndex={0} role="group" aria-label={t("totals")}>
      <table class="table compare-totals">
        <thead>
          <tr>
            <td />
            <th scope="col">{labelOf(net, variant)}</th>
            <th scope="col">{labelOf(other ?? "", otherVariant)}</th>
            <th scope="col">{t("ratio")}</th>
          </tr>
        </thead>
        <tbody>
          <tr>
            <th scope="row">{t("inputSize")}</th>
            <td>{shape(perSample(a.input))}</td>
            <td>{shape(perSample(b.input))}</td>
            <td />
          </tr>
          <tr>
            <th scope="row">{t("output")}</th>
            <td>{outputOf(a)}</td>
            <td>{outputOf(b)}</td>
            <td />
          </tr>
          {FACTS.map(({ name, number, shown }) => (
            <tr key={name}>
              <th scope="row">{t(name)}</th>
              <td>{shown(first)}</td>
              <td>{shown(second)}</td>
              <td>{number(first) > 0 ? `× ${Number((number(second) / number(first)).toPrecision(3))}` : ""}</td>
            </tr>
          ))}
        </tbody>
      </table>
    </div>
  );
}

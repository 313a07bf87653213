import { percent } from "../ui/format.ts";

interface FactProps {
  readonly name: string;
  readonly value: string;
  readonly exact?: string;
  readonly share?: number | undefined;
}

/** A line of a card: a name, a number, and its share of the whole. */
export function Fact({ name, value, exact, share }: FactProps) {
  return (
    <div>
      <dt>{name}</dt>
      <dd title={exact}>
        {value}
        {share !== undefined && share > 0 && <small>{percent(share)}</small>}
      </dd>
    </div>
  );
}

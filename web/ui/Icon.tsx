import type { IconNode } from "lucide";
import { h } from "preact";

interface Props {
  readonly icon: IconNode;
  readonly size?: number;
}

/** An icon of Lucide's; it is decoration, the button around it has the name. */
export function Icon({ icon, size = 18 }: Props) {
  return (
    <svg
      class="icon"
      width={size}
      height={size}
      viewBox="0 0 24 24"
      fill="none"
      stroke="currentColor"
      stroke-width="1.75"
      stroke-linecap="round"
      stroke-linejoin="round"
      aria-hidden="true"
    >
      {icon.map(([tag, attributes], i) => h(tag, { key: i, ...attributes }))}
    </svg>
  );
}

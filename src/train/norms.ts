import type { DeviceTensor } from "../runtime/index.ts";

/** Norms of the gradients of a step, before they were clipped. */
export interface Norms {
  /** Of all gradients together; with `clipNorm` only. */
  readonly gradientNorm?: number;
  /** Of each parameter's gradient, by key; with `gradientNorms` only. */
  readonly gradientNorms?: Readonly<Record<string, number>>;
}

/** Reads the norms that an update computed; `sums` are the names of the gradients' sums, in the order of the parameters. */
export async function normsOf(
  { gradient_norm: all, gradient_norms: each }: Readonly<Record<string, DeviceTensor>>,
  sums: Iterable<string>,
): Promise<Norms> {
  const norms = each && (await each.read()).data;
  return {
    ...(all && { gradientNorm: Number((await all.read()).data[0]) }),
    ...(norms && {
      gradientNorms: Object.fromEntries([...sums].map((name, i) => [name.slice("sum:".length), Number(norms[i])])),
    }),
  };
}

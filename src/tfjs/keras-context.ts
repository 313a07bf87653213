import * as v from "valibot";
import type { Shape } from "../graph/index.ts";
import type { Builder, Held } from "./builder.ts";
import type { LayerTensors } from "./keras-weights.ts";
import type { Pair } from "./layers.ts";
import { parse } from "./schema.ts";

/** A call of a layer. */
export interface Call {
  readonly b: Builder;
  /** The first input. */
  readonly x: Held;
  readonly inputs: readonly Held[];
  /** Path of the layer in our network. */
  readonly path: string;
  /** Name of the layer in the file. */
  readonly name: string;
  readonly weights: LayerTensors;
  /** The config of the layer, checked. */
  read<T extends v.BaseSchema<unknown, unknown, v.BaseIssue<unknown>>>(schema: T): v.InferOutput<T>;
}

/** What a layer adds to the graph. */
export type LayerRule = (call: Call) => Held;

export const reader =
  (config: unknown, what: string): Call["read"] =>
  (schema) =>
    parse(schema, config, `the config of ${what}`);

// Fields of configs

const count = v.pipe(v.number(), v.integer(), v.minValue(1), v.maxValue(1e6));

/** Height and width: two numbers, or one for both. */
export const pair = v.pipe(
  v.union([count, v.tuple([count, count]), v.tuple([count])]),
  v.transform((size): Pair => (Array.isArray(size) ? [size[0]!, size[1] ?? size[0]!] : [size, size])),
);

const pixels = v.pipe(v.number(), v.integer(), v.minValue(0), v.maxValue(1e6));
const edges = v.pipe(
  v.union([pixels, v.tuple([pixels, pixels])]),
  v.transform((size): Pair => (Array.isArray(size) ? [size[0]!, size[1]!] : [size, size])),
);

/** [[top, bottom], [left, right]], or fewer numbers for both. */
export const margins = v.pipe(
  v.union([pixels, v.tuple([edges, edges])]),
  v.transform((size): readonly [Pair, Pair] =>
    Array.isArray(size)
      ? [size[0]!, size[1]!]
      : [
          [size, size],
          [size, size],
        ],
  ),
);

export const flag = (otherwise: boolean) => v.nullish(v.boolean(), otherwise);
export const axis = v.pipe(v.number(), v.integer());
export const dataFormat = v.nullish(v.picklist(["channels_last", "channels_first"]), "channels_last");
export const padding = v.nullish(v.picklist(["valid", "same"]), "valid");
/** An activation's name; Keras also writes objects of its class. */
export const activation = v.pipe(
  v.nullish(v.union([v.string(), v.object({ class_name: v.string() })]), "linear"),
  v.transform((given) => (typeof given === "string" ? given : given.class_name)),
);

type Format = v.InferOutput<typeof dataFormat>;

/** The input as [N, C, H, W], whatever its format, and how the result lies. */
export function images({ b, x }: Pick<Call, "b" | "x">, format: Format) {
  const isLast = format === "channels_last";
  const value = isLast ? b.images(x) : b.plain(x);
  return { value, hold: (y: Held["value"]): Held => ({ value: y, images: isLast }) };
}

/** A batch and these sizes. */
export const batched = ([N]: Shape, sizes: readonly number[]): Shape => [N ?? "N", ...sizes];

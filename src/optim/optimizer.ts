import type { Value } from "../graph/index.ts";
import type { Ops } from "../operators/index.ts";

/** What an update rule gets for one parameter. */
export interface UpdateInput {
  readonly parameter: Value;
  readonly gradient: Value;
  /** Shape of the parameter in the network; here it may be flat. */
  readonly shape: readonly number[];
  /** The optimizer's tensors of this parameter, by their names in `state`. */
  readonly state: Readonly<Record<string, Value>>;
  /** The numbers of this step, by their names in `scalars`. */
  readonly scalars: Readonly<Record<string, Value>>;
  /** Factor of weight decay for this parameter, 0 for none. */
  readonly weightDecay: number;
}

/** The new parameter and the new state, by the names in `state`. */
export interface Update {
  readonly parameter: Value;
  readonly state: Readonly<Record<string, Value>>;
}

/** An update rule as graph nodes. What it remembers is named tensors in the shape of their parameter, zeros at first. */
export interface Optimizer {
  readonly name: string;
  readonly weightDecay: number;
  readonly state: readonly string[];
  /** Whether each number is updated by itself, so that several parameters can be updated as one vector. Default false. */
  readonly isElementwise?: boolean;
  /** Numbers that change from step to step. `step` counts from 1. */
  scalars(lr: number, step: number): Readonly<Record<string, number>>;
  update(g: Ops, input: UpdateInput): Update;
}

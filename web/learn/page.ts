/** What a page of Learn consists of. */
import type { ComponentChildren, FunctionComponent } from "preact";
import type { Route } from "../state/route.ts";
import type { LabResult, Question } from "./lab/protocol.ts";
import type { Ranges, Values } from "./settings.ts";

/** The words of a page in one language. What depends on the experiment gets its result. */
export interface Words<Result> {
  /** Its name in the list of pages. */
  readonly title: string;
  /** The idea in one sentence, which the experiment may refute. */
  readonly claim: string;
  readonly question: string;
  readonly choices: readonly [string, string, string];
  /** What to do with the controls. */
  readonly task: string;
  happened(result: Result): ComponentChildren;
  why(result: Result): ComponentChildren;
  formula(result: Result): ComponentChildren;
  where(result: Result): ComponentChildren;
  /** What the link into Explore leads to. */
  readonly link: string;
}

export interface ExperimentProps<R extends Ranges, Result> {
  readonly values: Values<R>;
  readonly result: Result;
  /** Whether something was predicted: before, figures keep the answer to themselves. */
  readonly revealed: boolean;
  readonly set: (changes: Partial<Values<R>>) => void;
}

export interface PageOf<R extends Ranges, Result> {
  /** Its part of the address. */
  readonly id: string;
  /** The network that had the idea. */
  readonly source: string;
  readonly ranges: R;
  /** What the worker is asked, where the experiment trains or measures. */
  question?(values: Values<R>): Question;
  /** The experiment, computed by the library; of a question, with what the worker has reported so far. */
  compute(values: Values<R>, measured?: LabResult): Result;
  /** Position of the right choice; where it is measured, none before the end. */
  right(result: Result): 0 | 1 | 2 | undefined;
  readonly en: Words<Result>;
  readonly zh: Words<Result>;
  readonly Figure: FunctionComponent<ExperimentProps<R, Result>>;
  readonly Controls: FunctionComponent<ExperimentProps<R, Result>>;
  /** What Explore shows. */
  explore(values: Values<R>): Partial<Route>;
}

/** A page whose settings and result only it knows. */
export type Page = PageOf<Ranges, unknown>;

export const page = <R extends Ranges, Result>(described: PageOf<R, Result>): Page => described as unknown as Page;

import { check } from "../graph/index.ts";
import { activation, activationGradients } from "./activation.ts";
import { convolution, convolutionGradients } from "./convolution.ts";
import { einsumGradients } from "./einsum.ts";
import { elementwise, elementwiseElements, elementwiseGradients } from "./elementwise.ts";
import { layout, layoutElements, layoutGradients } from "./layout.ts";
import { linear, linearGradients } from "./linear.ts";
import { normalization, normalizationGradients } from "./normalization.ts";
import type { Evaluate, Gradient, Operator } from "./operator.ts";
import { pooling, poolingGradients } from "./pooling.ts";
import { reduction, reductionElements, reductionGradients } from "./reduction.ts";
import { resampling, resamplingGradients } from "./resampling.ts";
import { softmax, softmaxGradients } from "./softmax.ts";

/** The operators that layers are made of. */
export const COMMON = {
  ...activation,
  ...convolution,
  ...elementwise,
  ...layout,
  ...linear,
  ...normalization,
  ...pooling,
  ...reduction,
  ...resampling,
  ...softmax,
};

const known: Record<string, Operator> = { ...COMMON };

/** Makes more operators known. */
export function addOperators(operators: Readonly<Record<string, Operator>>): void {
  Object.assign(known, operators);
}

let gradients: Record<string, Gradient> | undefined;

/** The gradient rules by operator; those without one cannot be differentiated. */
export function gradientRules(): Record<string, Gradient> {
  gradients ??= {
    ...activationGradients(),
    ...convolutionGradients(),
    ...einsumGradients(),
    ...elementwiseGradients(),
    ...layoutGradients(),
    ...linearGradients(),
    ...normalizationGradients(),
    ...poolingGradients(),
    ...reductionGradients(),
    ...resamplingGradients(),
    ...softmaxGradients(),
  };
  return gradients;
}

/** The gradient rule of an operator, if it has one. */
export function gradientOf(op: string, domain = ""): Gradient | undefined {
  const [rules, name] = [gradientRules(), nameOf(op, domain)];
  return Object.hasOwn(rules, name) ? rules[name] : undefined;
}

let evaluators: Readonly<Record<string, Evaluate>> | undefined;

/** The rule of constant evaluation of an operator, if it has one. */
export function evaluator(op: string, domain = ""): Evaluate | undefined {
  evaluators ??= { ...elementwiseElements(), ...layoutElements(), ...reductionElements() };
  return domain === "" && Object.hasOwn(evaluators, op) ? evaluators[op] : undefined;
}

/** The record of an operator. Throws if there is none. */
export function operator(op: string, domain = ""): Operator {
  const found = findOperator(op, domain);
  check(
    found,
    () => `the operator ${nameOf(op, domain)} is not known; known are ${Object.keys(known).sort().join(", ")}`,
  );
  return found;
}

/** The record of an operator, if there is one. */
export function findOperator(op: string, domain = ""): Operator | undefined {
  const name = nameOf(op, domain);
  return Object.hasOwn(known, name) ? known[name] : undefined;
}

const nameOf = (op: string, domain: string) => (domain === "" ? op : `${domain}.${op}`);

import type { Page } from "../page.ts";
import { AUXILIARY } from "./auxiliary.tsx";
import { AVERAGE } from "./average.tsx";
import { NORMALIZE } from "./normalize.tsx";
import { POINTWISE } from "./pointwise.tsx";
import { REDUCE } from "./reduce.tsx";
import { SLIDING } from "./sliding.tsx";
import { SPARSE } from "./sparse.tsx";
import { STACKS } from "./stacks.tsx";
import { VGG } from "./vgg.tsx";
import { WIDE } from "./wide.tsx";

/** The ideas, in the order of the study note. */
export const PAGES: readonly Page[] = [
  ...[STACKS, VGG, POINTWISE, AVERAGE, WIDE, REDUCE, SPARSE, AUXILIARY, NORMALIZE, SLIDING],
];

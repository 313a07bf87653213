import type { Page } from "../page.ts";
import { AVERAGE } from "./average.tsx";
import { POINTWISE } from "./pointwise.tsx";
import { REDUCE } from "./reduce.tsx";
import { SLIDING } from "./sliding.tsx";
import { STACKS } from "./stacks.tsx";
import { VGG } from "./vgg.tsx";
import { WIDE } from "./wide.tsx";

/** The ideas, in the order of the study note. */
export const PAGES: readonly Page[] = [STACKS, VGG, POINTWISE, AVERAGE, WIDE, REDUCE, SLIDING];

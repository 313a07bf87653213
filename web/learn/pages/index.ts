import type { Page } from "../page.ts";
import { REDUCE } from "./reduce.tsx";
import { STACKS } from "./stacks.tsx";
import { VGG } from "./vgg.tsx";

/** The ideas, in the order of the study note. */
export const PAGES: readonly Page[] = [STACKS, VGG, REDUCE];

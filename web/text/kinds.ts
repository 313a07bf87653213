import { KINDS, type Kind } from "convnets/draw";
import { language } from "./language.ts";

const CHINESE = {
  conv: "卷积",
  pointwise: "1×1 卷积",
  linear: "全连接",
  pool: "池化",
  norm: "归一化",
  activation: "激活",
  softmax: "Softmax",
  dropout: "Dropout",
  join: "拼接、相加",
  other: "其他",
} as const satisfies Record<Kind, string>;

/** The name of a family of layers. */
export const kindName = (kind: Kind): string => (language.value === "zh" ? CHINESE : KINDS)[kind];

/** Words that all pages share. */
import { language } from "../state/preferences.ts";

const EN = {
  ideas: "Ideas",
  predict: "Predict",
  skip: "Just show me",
  experiment: "Experiment",
  happened: "What happened",
  right: "As you predicted.",
  wrong: "Not what you predicted.",
  why: "Why",
  where: "Where the networks use it",
  params: "parameters",
  weights: "weights",
  macs: "MACs",
  channels: "channels",
  presets: "Settings to try",
  hidden: "hidden until you predict",
  measuring: "Measuring on your machine. The outcome appears here at the end.",
  run: "Run the experiment",
  again: "Run again",
  stop: "Stop",
  starting: "Starting ONNX Runtime",
  moment: "Moment of the training",
} as const;

const ZH: Record<keyof typeof EN, string> = {
  ideas: "主题",
  predict: "先猜一猜",
  skip: "直接看结果",
  experiment: "实验",
  happened: "结果",
  right: "和你猜的一样。",
  wrong: "和你猜的不同。",
  why: "为什么",
  where: "网络中的应用",
  params: "参数",
  weights: "权重",
  macs: "乘加次数",
  channels: "通道",
  presets: "可以试试的设置",
  hidden: "先猜再看",
  measuring: "正在你的机器上测量，结束后这里会给出结果。",
  run: "运行实验",
  again: "再运行一次",
  stop: "停止",
  starting: "正在启动 ONNX Runtime",
  moment: "训练的时刻",
};

export const word = (key: keyof typeof EN): string => (language.value === "zh" ? ZH : EN)[key];

/** The text in the language of the page. */
export const say = (en: string, zh: string): string => (language.value === "zh" ? zh : en);

/** A share with one decimal: 89.4 %. */
export const share = (part: number, whole: number): string => `${((100 * part) / whole).toFixed(1)}\u00a0%`;

/** Millions with one decimal: 303.5 M. */
export const millions = (count: number): string =>
  count < 1e9 ? `${(count / 1e6).toFixed(count < 1e6 ? 2 : 1)}\u00a0M` : `${(count / 1e9).toFixed(2)}\u00a0G`;

/** `note`: as in the study note. `paper`: as published. `torchvision`: loads torchvision's weights. */
export type Variant = "note" | "paper" | "torchvision";

export const VARIANTS: readonly Variant[] = ["note", "paper", "torchvision"];

export interface ModelOptions {
  /** Default `"note"`. */
  variant?: Variant;
  /** Default: the classes of the data set the network was published for. */
  numClasses?: number;
  /** Default 3, for RGB. */
  inChannels?: number;
  /** Height and width of the images in pixels, for networks whose layers depend on it. */
  inputSize?: number;
}

/** An image that was classified wrongly, and how sure the network was of it. */
export interface Mistake {
  /** Position in the data set. */
  readonly sample: number;
  readonly label: number;
  readonly predicted: number;
  /** Probability of the predicted class. */
  readonly probability: number;
}

/** How good a network is on a data set. What belongs to a classification is NaN, or empty, for another loss. */
export interface Evaluation {
  readonly images: number;
  /** Mean over the images: of classes the negative log-likelihood of the right one, else the loss that was trained. */
  readonly loss: number;
  /** What was measured: `accuracy` of classes or labels, `f1`, `meanAbsoluteError`, or what was asked for. */
  readonly metrics: Readonly<Record<string, number>>;
  /** Share of images whose right class is the most likely one. */
  readonly top1: number;
  /** Share of images whose right class is among the five most likely. */
  readonly top5: number;
  /** Share of each class that was found (recall); NaN for a class without images. */
  readonly perClass: readonly number[];
  /** [label][predicted], counts. */
  readonly confusion: readonly (readonly number[])[];
  /** The mistakes that the network was surest of, worst first. */
  readonly worst: readonly Mistake[];
  readonly seconds: number;
}

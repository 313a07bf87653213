/** An image that was classified wrongly, and how sure the network was of it. */
export interface Mistake {
  /** Position in the data set. */
  readonly sample: number;
  readonly label: number;
  readonly predicted: number;
  /** Probability of the predicted class. */
  readonly probability: number;
}

/** How well one of several labels per image is found. A label is given where its probability is above 0.5. */
export interface LabelQuality {
  /** Images that have the label. */
  readonly images: number;
  /** Share of the images that were given it which have it; NaN if none was. */
  readonly precision: number;
  /** Share of the images that have it which were given it; NaN if none has it. */
  readonly recall: number;
  /** Harmonic mean of the two; NaN if no image has it and none was given it. */
  readonly f1: number;
  /** Mean of the precision over the images that have it, ranked by score, as in scikit-learn; NaN if none has it. */
  readonly averagePrecision: number;
}

/** How good a network is on a data set. What belongs to a classification is NaN, or empty, for another loss. */
export interface Evaluation {
  readonly images: number;
  /** Mean over the images: of classes the negative log-likelihood of the right one, else the loss that was trained. */
  readonly loss: number;
  /**
   * What was measured: `accuracy` of classes or labels, `f1`, `meanAbsoluteError`, or what was asked for; with several labels per
   * image also `meanAveragePrecision`.
   */
  readonly metrics: Readonly<Record<string, number>>;
  /** Share of images whose right class is the most likely one. */
  readonly top1: number;
  /** Share of images whose right class is among the five most likely. */
  readonly top5: number;
  /** Share of each class that was found (recall); NaN for a class without images. */
  readonly perClass: readonly number[];
  /** Of each label, if images have several. */
  readonly perLabel?: readonly LabelQuality[];
  /** [label][predicted], counts. */
  readonly confusion: readonly (readonly number[])[];
  /** The mistakes that the network was surest of, worst first. */
  readonly worst: readonly Mistake[];
  readonly seconds: number;
}

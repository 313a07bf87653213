/** The networks compared, ours and the same in PyTorch. */
import { createModel, type ModelName } from "../../src/models/index.ts";
import { Dropout, Linear, type Module, ReLU, Sequential } from "../../src/nn/index.ts";

export interface Case {
  readonly create: () => Module;
  /** The same in Python; see reference.py. */
  readonly python: string;
  readonly classes: number;
  /** Side of the image that is classified. */
  readonly evalSide: number;
  readonly training?: {
    /** Side of the images, and how many are in a batch. */
    readonly side: number;
    readonly batch: number;
    /** Such that a few steps move the weights by some percent. */
    readonly lr: number;
  };
}

/** Hidden units of torchvision's VGG here: the classifier has nine tenths of the weights, and the note's is compared whole. */
const HIDDEN = 64;

/** A torchvision VGG with a narrow classifier. */
function narrowVgg(name: ModelName): Pick<Case, "create" | "python"> {
  const create = () => {
    const model = createModel(name, { variant: "torchvision" });
    const classifier = new Sequential(
      ...[new Linear(512 * 7 * 7, HIDDEN), new ReLU(), new Dropout()],
      ...[new Linear(HIDDEN, HIDDEN), new ReLU(), new Dropout()],
      new Linear(HIDDEN, 1000),
    );
    return Object.assign(model, { classifier });
  };
  return { create, python: `narrow_vgg("${name}", ${HIDDEN})` };
}

export const NOTE: Readonly<Record<string, Case>> = {
  "the note's VGG16": {
    create: () => createModel("vgg16"),
    python: "note_vgg16(224)",
    classes: 1000,
    evalSide: 224,
  },
  "the note's VGG16 for images of 32×32": {
    create: () => createModel("vgg16", { inputSize: 32 }),
    python: "note_vgg16(32)",
    classes: 1000,
    evalSide: 32,
    training: { side: 32, batch: 4, lr: 1e-3 },
  },
  "the note's NiN": {
    create: () => createModel("nin"),
    python: 'note("NiN")',
    classes: 10,
    evalSide: 32,
    training: { side: 32, batch: 4, lr: 1e-3 },
  },
  "the note's GoogLeNet": {
    create: () => createModel("googlenet"),
    python: 'note("GoogLeNet")',
    classes: 1000,
    evalSide: 224,
    training: { side: 224, batch: 2, lr: 1e-3 },
  },
};

export const TORCHVISION: Readonly<Record<string, Case>> = {
  "torchvision's VGG16": {
    ...narrowVgg("vgg16"),
    classes: 1000,
    evalSide: 224,
    // trained with batch normalization, below; without, the note's
  },
  "torchvision's VGG16-BN": {
    ...narrowVgg("vgg16_bn"),
    classes: 1000,
    evalSide: 224,
    training: { side: 32, batch: 4, lr: 1e-3 },
  },
  "torchvision's GoogLeNet": {
    create: () => createModel("googlenet", { variant: "torchvision" }),
    python: 'torchvision_model("googlenet")',
    classes: 1000,
    evalSide: 224,
    training: { side: 96, batch: 4, lr: 1e-3 },
  },
};

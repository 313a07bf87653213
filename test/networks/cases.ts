/** The networks compared, ours and the same in PyTorch. */
import { InceptionAux } from "../../src/models/inception-v3.ts";
import { createModel, type DenseNet, type ModelName } from "../../src/models/index.ts";
import { BatchNorm2d, Dropout, Linear, type Module, ReLU, Sequential } from "../../src/nn/index.ts";

export interface Case {
  readonly create: () => Module;
  /** The same in Python; see reference.py. */
  readonly python: string;
  readonly classes: number;
  /** Side of the image that is classified. */
  readonly evalSide: number;
  /** Whether it has neither ReLUs nor max-pools, so no value is near a kink. */
  readonly smooth?: true;
  readonly training?: {
    /** Side of the images, and how many are in a batch. */
    readonly side: number;
    readonly batch: number;
    /** Such that a few steps move the weights by some percent. */
    readonly lr: number;
    /** Default 1. The second step is the first that uses the momentum of another, as that of a few small networks does. */
    readonly steps?: number;
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

/** Torchvision's AlexNet with a narrow classifier. */
function narrowAlexNet(): Module {
  const classifier = new Sequential(
    ...[new Dropout(), new Linear(256 * 6 * 6, HIDDEN), new ReLU()],
    ...[new Dropout(), new Linear(HIDDEN, HIDDEN), new ReLU()],
    new Linear(HIDDEN, 1000),
  );
  return Object.assign(createModel("alexnet"), { classifier });
}

/** The paper's AlexNet for images of 99×99, with a narrow classifier. */
function narrowPaperAlexNet(): Module {
  const classifier = new Sequential(
    ...[new Linear(256 * 2 * 2, HIDDEN), new ReLU(), new Dropout()],
    ...[new Linear(HIDDEN, HIDDEN), new ReLU(), new Dropout()],
    new Linear(HIDDEN, 1000),
  );
  return Object.assign(createModel("alexnet", { variant: "paper", inputSize: 99 }), { classifier });
}

/** Whether there is time to train those whose layers are those of a smaller relative. */
const LONG = process.env.CONVNETS_LONG_TESTS === "1";

/** Torchvision's DenseNet-121 without its last two blocks. */
function shortDenseNet(): Module {
  const model = createModel("densenet121", { variant: "torchvision" }) as DenseNet;
  const kept = [...model.features.children()].filter(([name]) => !/transition[23]|denseblock[34]|norm5/.test(name));
  const features = new Sequential({ ...Object.fromEntries(kept), norm5: new BatchNorm2d(512) });
  return Object.assign(model, { features, classifier: new Linear(512, 1000) });
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
    training: { side: 32, batch: 4, lr: 1e-3, steps: 2 },
  },
  "the note's GoogLeNet": {
    create: () => createModel("googlenet"),
    python: 'note("GoogLeNet")',
    classes: 1000,
    evalSide: 224,
    training: { side: 224, batch: 2, lr: 1e-3 },
  },
};

/** A torchvision network for photographs of 224×224, at 64×64; in evaluation only where another of its family is trained. */
function photographs(
  name: ModelName,
  { trained = true, evalSide = 64, smooth }: { trained?: boolean; evalSide?: number; smooth?: true } = {},
): Readonly<Record<string, Case>> {
  const example: Case = {
    create: () => createModel(name, { variant: "torchvision" }),
    python: `torchvision_model("${name}")`,
    classes: 1000,
    evalSide,
    ...(trained && { training: { side: 64, batch: 3, lr: 1e-3 } }),
    ...(smooth && { smooth }),
  };
  return { [`torchvision's ${name}`]: example };
}

export const TORCHVISION: Readonly<Record<string, Case>> = {
  "torchvision's VGG16": {
    ...narrowVgg("vgg16"),
    classes: 1000,
    evalSide: 64,
    // trained with batch normalization, below; without, the note's
  },
  "torchvision's VGG16-BN": {
    ...narrowVgg("vgg16_bn"),
    classes: 1000,
    evalSide: 64,
    training: { side: 32, batch: 4, lr: 1e-3 },
  },
  "torchvision's GoogLeNet": {
    create: () => createModel("googlenet", { variant: "torchvision" }),
    python: 'torchvision_model("googlenet")',
    classes: 1000,
    evalSide: 96,
    training: { side: 96, batch: 4, lr: 1e-3 },
  },
  "torchvision's AlexNet": {
    create: narrowAlexNet,
    python: `narrow_alexnet(${HIDDEN})`,
    classes: 1000,
    evalSide: 96,
    training: { side: 96, batch: 2, lr: 1e-3 },
  },
  "torchvision's ResNet-18": {
    create: () => createModel("resnet18"),
    python: 'torchvision_model("resnet18")',
    classes: 1000,
    evalSide: 96,
    training: { side: 64, batch: 4, lr: 1e-3 },
  },
  "torchvision's ResNet-50": {
    create: () => createModel("resnet50"),
    python: 'torchvision_model("resnet50")',
    classes: 1000,
    evalSide: 64,
    training: { side: 64, batch: 2, lr: 1e-3 },
  },
  "torchvision's ResNeXt-50": {
    create: () => createModel("resnext50_32x4d"),
    python: 'torchvision_model("resnext50_32x4d")',
    classes: 1000,
    evalSide: 96,
  },
  "torchvision's Inception V3": {
    create: () => createModel("inception_v3", { auxLogits: false }),
    python: 'torchvision_model("inception_v3", aux_logits=False)',
    classes: 1000,
    evalSide: 75,
    training: { side: 107, batch: 6, lr: 1e-3 },
  },
  // which needs images of 299×299 in its network
  "torchvision's auxiliary classifier of Inception V3": {
    create: () => new InceptionAux(3, 10),
    python: "inception_aux(3, 10)",
    classes: 10,
    evalSide: 17,
    training: { side: 20, batch: 4, lr: 1e-3, steps: 2 },
  },
  ...photographs("squeezenet1_0", { trained: LONG }),
  ...photographs("squeezenet1_1"),
  ...photographs("densenet121", { trained: LONG }),
  // to compile the training of all 58 layers takes ONNX Runtime ten seconds
  "torchvision's DenseNet-121 up to its second block": {
    create: shortDenseNet,
    python: "short_densenet()",
    classes: 1000,
    evalSide: 64,
    training: { side: 64, batch: 3, lr: 1e-3 },
  },
  ...photographs("mobilenet_v2"),
  ...photographs("shufflenet_v2_x1_0"),
  ...photographs("mobilenet_v3_small"),
  ...photographs("mobilenet_v3_large", { trained: LONG, evalSide: 128 }),
  ...photographs("efficientnet_b0", { smooth: true }),
};

/** Networks that neither the note nor torchvision has; reference.py defines them. */
export const PAPERS: Readonly<Record<string, Case>> = {
  "LeNet-5": {
    create: () => createModel("lenet5", { inChannels: 3 }),
    python: "LeNet5()",
    smooth: true,
    classes: 10,
    evalSide: 32,
    training: { side: 32, batch: 4, lr: 1e-3, steps: 2 },
  },
  "the paper's AlexNet": {
    create: narrowPaperAlexNet,
    python: `PaperAlexNet(${HIDDEN})`,
    classes: 1000,
    evalSide: 99,
    training: { side: 99, batch: 2, lr: 1e-3 },
  },
  "ResNet-20 for CIFAR": {
    create: () => createModel("resnet20"),
    python: "CifarResNet(3)",
    classes: 10,
    evalSide: 32,
    training: { side: 32, batch: 4, lr: 1e-3, steps: 2 },
  },
};

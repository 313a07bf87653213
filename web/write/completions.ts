/** What the editor offers while one types: layers with their arguments, and the methods of tensors. */
import {
  type Completion,
  type CompletionContext,
  type CompletionResult,
  snippetCompletion,
} from "@codemirror/autocomplete";

/** Layers as they are built; ${} marks what one fills in. */
const LAYERS: readonly (readonly [name: string, call: string, detail: string])[] = [
  ["Conv2d", "Conv2d(${in}, ${out}, ${3}, { padding: ${1} })", "convolution"],
  ["ConvTranspose2d", "ConvTranspose2d(${in}, ${out}, ${2}, { stride: ${2} })", "transposed convolution"],
  ["Linear", "Linear(${in}, ${out})", "fully connected"],
  ["BatchNorm2d", "BatchNorm2d(${channels})", "normalization by batch"],
  ["GroupNorm", "GroupNorm(${groups}, ${channels})", "normalization by groups"],
  ["LayerNorm", "LayerNorm(${shape})", "normalization by sample"],
  ["InstanceNorm2d", "InstanceNorm2d(${channels})", "normalization by image"],
  ["LocalResponseNorm", "LocalResponseNorm(${5})", "normalization across channels"],
  ["MaxPool2d", "MaxPool2d(${2})", "largest value of each window"],
  ["AvgPool2d", "AvgPool2d(${2})", "mean of each window"],
  ["AdaptiveAvgPool2d", "AdaptiveAvgPool2d(${1})", "mean, to this size"],
  ["AdaptiveMaxPool2d", "AdaptiveMaxPool2d(${1})", "largest value, to this size"],
  ["Upsample", "Upsample({ scaleFactor: ${2} })", "larger images"],
  ["PixelShuffle", "PixelShuffle(${2})", "channels to pixels"],
  ["Dropout", "Dropout(${0.5})", "zeros at random, in training"],
  ["ReLU", "ReLU()", "activation"],
  ["GELU", "GELU()", "activation"],
  ["SiLU", "SiLU()", "activation"],
  ["Sigmoid", "Sigmoid()", "activation"],
  ["Softmax", "Softmax(${1})", "probabilities"],
  ["Flatten", "Flatten()", "maps to vectors"],
  ["Identity", "Identity()", "its input"],
  ["Sequential", "Sequential([${}])", "one after the other"],
  ["ModuleList", "ModuleList([${}])", "modules by number"],
];

/** Methods of tensors. */
const METHODS: readonly (readonly [call: string, detail: string])[] = [
  ["call(x)", "applies a layer"],
  ["relu()", "max(x, 0)"],
  ["sigmoid()", "1 / (1 + exp(−x))"],
  ["tanh()", "hyperbolic tangent"],
  ["add(${y})", "sum"],
  ["sub(${y})", "difference"],
  ["mul(${y})", "product"],
  ["div(${y})", "quotient"],
  ["flatten(${1})", "axes from this one into one"],
  ["reshape(${shape})", "another shape"],
  ["transpose(${0}, ${1})", "two axes exchanged"],
  ["mean([${2, 3}])", "mean over axes"],
  ["sum(${1})", "sum over axes"],
  ["matmul(${y})", "matrix product"],
  ["softmax(${1})", "probabilities"],
  ["narrow(${1}, ${0}, ${8})", "a part along an axis"],
];

const layers: readonly Completion[] = LAYERS.map(([label, call, detail]) =>
  snippetCompletion(call, { label, detail, type: "class" }),
);
const names: readonly Completion[] = LAYERS.map(([label, , detail]) => ({ label, detail, type: "class" }));
const methods: readonly Completion[] = METHODS.map(([call, detail]) =>
  snippetCompletion(call, { label: call.replace(/\(.*/, ""), detail, type: "method" }),
);
const others: readonly Completion[] = [
  snippetCompletion("class ${Name} extends Module<Tensor> {\n\t${}\n\n\tforward(x: Tensor) {\n\t\treturn x;\n\t}\n}", {
    label: "class",
    detail: "a module of your own",
    type: "keyword",
  }),
  { label: "cat", detail: "joins tensors along an axis", type: "function", apply: "cat([" },
  { label: "Module", type: "class" },
  { label: "Tensor", type: "class" },
];

export function complete(context: CompletionContext): CompletionResult | null {
  const word = context.matchBefore(/\w*/);
  if (!word || (word.from === word.to && !context.explicit)) {
    if (!context.matchBefore(/\.$/)) return null;
  }
  const before = context.state.sliceDoc(Math.max(0, word!.from - 12), word!.from);
  const options = before.endsWith(".") ? methods : /\bnew\s+$/.test(before) ? layers : [...names, ...others];
  return { from: word!.from, options: [...options], validFor: /^\w*$/ };
}

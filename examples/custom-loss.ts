/**
 * A loss of your own: the focal loss (Lin et al. 2017), which counts easy images less. It is a function of tensors; its gradient
 * comes by itself.
 *
 *     npx tsx examples/custom-loss.ts [IMAGES] [EPOCHS]
 */
import { cosineRate, createModel, dataLoader, fit, NORMALIZATION, sgd, shapes, type Tensor } from "convnets";
import { nodeEngine } from "convnets/node";
import { accuracy, crossEntropyLoss, type Loss } from "convnets/train";

const [images = 5000, epochs = 3] = process.argv.slice(2).map(Number);

/** −(1 − p)² · log p, where p is the probability of the right class: output [N, K] scores, target [N, K] → loss [] */
function focalLoss(output: Tensor, target: Tensor): Tensor {
  const logP = output.logSoftmax(1);
  const rest = logP.exp().neg().add(1);
  return rest.mul(rest).mul(logP).mul(target).sum([1]).mean().neg();
}

const transforms = [{ normalize: NORMALIZATION.shapes }];
const train = dataLoader(shapes({ length: images }), { batchSize: 64, shuffle: true, transforms });
const validation = dataLoader(shapes({ length: images / 5, split: "test" }), { batchSize: 100, transforms });

async function learn(name: string, loss: Loss): Promise<void> {
  const { history } = await fit(createModel("vgg_small").initialize(1), {
    ...{ engine: nodeEngine(), train, validation, epochs, loss },
    metrics: { accuracy },
    optimizer: sgd({ momentum: 0.9, weightDecay: 5e-4 }),
    schedule: cosineRate(0.05),
  });
  const { train: trained, validation: tested } = history.at(-1)!;
  const share = (100 * tested!.metrics.accuracy!).toFixed(1);
  console.log(`${name}: training loss ${trained.loss.toFixed(3)}, test accuracy ${share} %`);
}

await learn("focal loss", focalLoss);
await learn("cross-entropy", crossEntropyLoss());

/**
 * Test files that take longest, and their seconds of processor time on one machine: only the order matters. `npm test` starts them
 * first (see sequencer.ts). A new file that takes ten seconds or more belongs here.
 */
export const LONG: Readonly<Record<string, number>> = {
  "networks/torchvision.parity.test.ts": 100,
  "conformance/web.browser.test.ts": 90,
  "cli/train.engine.test.ts": 70,
  "cli/corrupt.engine.test.ts": 60,
  "package/install.engine.test.ts": 45,
  "onnx/foreign.parity.test.ts": 45,
  "networks/networks.parity.test.ts": 40,
  "studio/learn.browser.test.ts": 40,
  "studio/explore.browser.test.ts": 40,
  "studio/train.browser.test.ts": 40,
  "interchange/interchange.parity.test.ts": 35,
  "package/package.engine.test.ts": 35,
  "onnx/cli.engine.test.ts": 30,
  "studio/look.browser.test.ts": 25,
  "data/loader.engine.test.ts": 20,
  "docs/programs.engine.test.ts": 20,
  "onnx/export.parity.test.ts": 20,
  "studio/write.browser.test.ts": 20,
  "classify/classify.parity.test.ts": 15,
  "data/pictures.parity.test.ts": 15,
  "data/transforms.parity.test.ts": 15,
  "docs/tutorial.engine.test.ts": 15,
  "infer/inside.parity.test.ts": 12,
};

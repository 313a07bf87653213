import { python, pythonSkipReason } from "../support/python.ts";

/** Why a test that needs PyTorch 2.2 or later cannot run; undefined where it can. */
export function modernTorchSkipReason(): string | undefined {
  const missing = pythonSkipReason("torch");
  if (missing) return missing;
  const known = python("import torch\nprint('weight_norm' in dir(torch.nn.utils.parametrizations))").trim();
  return known === "True" ? undefined : "this PyTorch has no parametrization weight_norm";
}

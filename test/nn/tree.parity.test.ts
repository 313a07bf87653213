import { describe, expect, it } from "vitest";
import { python, pythonSkipReason } from "../support/python.ts";
import { unless } from "../support/skip.ts";
import { Network } from "./tree.ts";

describe("the state dict of a module tree", unless(pythonSkipReason("torch")), () => {
  it("has PyTorch's keys in PyTorch's order", () => {
    const keys = python(`
import json, torch
from torch import nn

class Block(nn.Module):
    def __init__(self):
        super().__init__()
        self.norm = nn.BatchNorm2d(4)
        self.scale = nn.Parameter(torch.ones(4, 1, 1))
        self.conv = nn.Conv2d(3, 4, 3, padding=1, bias=False)
        self.tail = nn.Sequential(nn.ReLU(), nn.MaxPool2d(2), nn.Dropout(0.5), nn.Sequential(nn.Conv2d(4, 2, 1), nn.Identity()))

class Network(nn.Module):
    def __init__(self):
        super().__init__()
        self.block = Block()
        self.head = nn.Sequential(nn.Flatten(), nn.Linear(32, 5), nn.Softmax(1))

network = Network()
print(json.dumps([list(network.state_dict()), [k for k, _ in network.named_parameters()], [k for k, _ in network.named_buffers()]]))
`);
    const network = new Network();
    const key = ([key]: readonly [string, unknown]) => key;
    const ours = [network.stateDict(), network.parameters(), network.buffers()].map((entries) => [...entries].map(key));
    expect(ours).toEqual(JSON.parse(keys));
  });
});

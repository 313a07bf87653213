"""What PyTorch computes for one network: outputs, gradients and a short training, as safetensors files in a folder.

Arguments: the folder of note_models.py, the folder to write into, and the case as JSON.
"""

import json
import os
import sys

# threads that wait actively would slow each other down wherever the machine has other work
os.environ["OMP_WAIT_POLICY"] = "PASSIVE"

import numpy as np
import torch
import torch.nn as nn
import torch.nn.functional as F
import torchvision

seed_folder, out_folder, case = sys.argv[1], sys.argv[2], json.loads(sys.argv[3])
sys.path.insert(0, seed_folder)
torch.set_num_threads(os.cpu_count())
torch.manual_seed(case["seed"])
rng = np.random.default_rng(case["seed"])


def save(name, tensors):
    """https://github.com/huggingface/safetensors: length of the header, JSON header, numbers."""
    header, offset = {}, 0
    arrays = {key: value.detach().contiguous().numpy() for key, value in tensors.items()}
    for key, array in arrays.items():
        dtype = {"float32": "F32", "int64": "I64"}[array.dtype.name]
        header[key] = {"dtype": dtype, "shape": list(tensors[key].shape), "data_offsets": [offset, offset + array.nbytes]}
        offset += array.nbytes
    text = json.dumps(header).encode()
    with open(os.path.join(out_folder, name), "wb") as file:
        file.write(len(text).to_bytes(8, "little") + text)
        for array in arrays.values():
            file.write(array.tobytes())


def note_vgg16(side):
    """The note's, whose classifier is made for 224×224, for smaller images."""
    import note_models

    class Small(note_models.VGG16):
        def forward(self, x):
            return self.clf_part(self.feature_part(x).flatten(1))

    if side == 224:
        return note_models.VGG16()
    model = Small()
    model.clf_part[1] = nn.Linear(512 * (side // 32) ** 2, 4096)
    return model


def note(name):
    import note_models

    return getattr(note_models, name)()


def torchvision_model(name, **options):
    return getattr(torchvision.models, name)(**options)


def draw(model):
    """Weights with which signals keep their size through every layer."""
    for module in model.modules():
        if isinstance(module, (nn.Conv2d, nn.Linear)):
            nn.init.kaiming_normal_(module.weight, nonlinearity="relu")
            if module.bias is not None:
                nn.init.normal_(module.bias, 0, 0.05)
        elif isinstance(module, nn.BatchNorm2d):
            nn.init.uniform_(module.weight, 0.5, 1.5)
            nn.init.normal_(module.bias, 0, 0.1)
        elif isinstance(module, nn.Dropout):
            module.p = 0


def images(count, side):
    """Random images with detail at every scale, as photographs have: white noise would average out on the way up."""
    total = torch.zeros(count, 3, side, side)
    size = 2
    while size <= side:
        noise = torch.from_numpy(rng.standard_normal((count, 3, size, size), dtype=np.float32))
        total += F.interpolate(noise, (side, side), mode="bilinear", align_corners=False)
        size *= 2
    return total / total.std()


def outputs_of(model, x):
    """By name. The note's model returns (main, aux2, aux1), and torchvision's names its two the wrong way round: hooks know."""
    heads = {}
    hooks = [
        module.register_forward_hook(lambda _module, _input, y, name=name: heads.update({name: y}))
        for name, module in model.named_children()
        if name.startswith("aux")
    ]
    y = model(x)
    for hook in hooks:
        hook.remove()
    return {"logits": y[0] if isinstance(y, tuple) else y, **heads} if hooks else {"output": y}


def loss_of(outputs, labels):
    total = 0
    for name, y in outputs.items():
        y = y.flatten(1)
        log = y.log() if case["softmax"] else F.log_softmax(y, 1)
        total = total + (0.3 if name.startswith("aux") else 1) * F.nll_loss(log, labels)
    return total


# Distance from a kink that no rounding covers, in standard deviations.
SAFE = 1e-3


def settle(model, x):
    """Moves weights a little, so that no value of a batch lies on a kink.

    Millions of values go through ReLUs and max-pools. A few lie so close to zero, or to another in a pool's window, that the
    order of a sum decides; each that falls on the other side moves a percent of the gradients below it, in PyTorch with other
    threads as well. Each layer in turn, zero is moved into the widest gap nearby, and the kernels of channels with close
    contests are drawn anew.
    """

    def centered(z):
        """Shift for each channel that brings zero into a wide gap of its values, where it is too close to one."""
        values = z.transpose(0, 1).flatten(1).sort(1).values
        n, std = values.shape[1], values.std(1, keepdim=True)
        gaps, middles = values.diff(dim=1), (values[:, 1:] + values[:, :-1]) / 2
        near = middles.abs() <= max(0.1, 2 / n) * std
        best = middles.gather(1, torch.where(near, gaps, -middles.abs()).argmax(1, keepdim=True))
        return torch.where(values.abs().amin(1, keepdim=True) > SAFE * std, 0, -best).flatten()

    def contested(z):
        """Channels in which two elements of a window of 3×3 are almost equal and above zero, before a pool or behind it."""
        found = torch.zeros(z.shape[1], dtype=torch.bool)
        maps = z.relu()
        for maps in (maps, F.max_pool2d(maps, 3, 2, ceil_mode=True)):
            windows = F.unfold(maps.transpose(0, 1).flatten(0, 1)[:, None], 3, padding=1)
            first = windows.amax(1, keepdim=True)
            second = torch.where(windows < first, windows, 0).amax(1, keepdim=True)
            close = (first - second < min(SAFE, 0.3 / maps[:, 0].numel()) * z.std()) & (second > 0)
            found |= close.unflatten(0, (z.shape[1], z.shape[0])).flatten(1).any(1)
        return found

    def adjusted(layer, norm, x):
        for _ in range(50):
            z = F.linear(x, layer.weight, layer.bias) if isinstance(layer, nn.Linear) else layer._conv_forward(x, layer.weight, layer.bias)
            z = F.batch_norm(z, None, None, norm.weight, norm.bias, True, 0, norm.eps) if norm else z
            shift = centered(z)
            z += shift.reshape(1, -1, *[1] * (z.dim() - 2))
            again = contested(z) if z.dim() == 4 else shift < -torch.inf
            if not again.any():
                break
            layer.weight[again] *= 1 + 0.05 * torch.randn_like(layer.weight[again])
        else:
            raise RuntimeError("a channel stays contested")
        (norm or layer).bias += shift
        return z

    modules = [*model.modules(), None]
    hooks = []
    for layer, after in zip(modules, modules[1:]):
        # a layer that gives the classes has no ReLU behind it
        if isinstance(layer, (nn.Conv2d, nn.Linear)) and layer.weight.shape[0] != case["classes"]:
            norm = after if isinstance(after, nn.BatchNorm2d) else None
            inputs = {}
            hooks.append(layer.register_forward_pre_hook(lambda _, x, inputs=inputs: inputs.update(x=x[0])))
            hook = lambda *_, layer=layer, norm=norm, inputs=inputs: adjusted(layer, norm, inputs["x"])
            hooks.append((norm or layer).register_forward_hook(hook))
    with torch.no_grad():
        model.train()(x)
    for hook in hooks:
        hook.remove()


side, batch, batches = case["side"], case["batch"], case["batches"]
# normal initialisation is replaced at once, and takes long
kept = {name: getattr(nn.init, name) for name in ("kaiming_uniform_", "kaiming_normal_", "trunc_normal_", "normal_", "uniform_")}
for name in kept:
    setattr(nn.init, name, lambda tensor, *args, **kwargs: tensor)
model = eval(case["model"])
for name, function in kept.items():
    setattr(nn.init, name, function)
draw(model)
if batches:
    x = images(batches * batch, side).reshape(batches, batch, 3, side, side)
    labels = torch.from_numpy(rng.integers(0, case["classes"], (batches, batch)))
    save("batches", {"input": x, "labels": labels})
    settle(model, x[0])
for module in model.modules():
    if isinstance(module, nn.BatchNorm2d):
        # as after some training
        nn.init.normal_(module.running_mean, 0, 0.1)
        nn.init.uniform_(module.running_var, 0.5, 1.5)
        module.num_batches_tracked.zero_()
save("weights", model.state_dict())

model.eval()
evaluated = images(1, case["evalSide"])
with torch.no_grad():
    save("evaluated", {"input": evaluated, **outputs_of(model, evaluated)})

if batches:
    model.train()
    before = {key: value.clone() for key, value in model.state_dict().items()}

    y = outputs_of(model, x[0])
    loss = loss_of(y, labels[0])
    loss.backward()
    save("trained", {"loss": loss.detach(), **y})
    save("gradients", {key: value.grad for key, value in model.named_parameters()})

    model.load_state_dict(before)
    optimizer = torch.optim.SGD(model.parameters(), lr=case["lr"], momentum=0.9, weight_decay=5e-4)
    losses = []
    for step in range(case["steps"]):
        optimizer.zero_grad()
        loss = loss_of(outputs_of(model, x[step % batches]), labels[step % batches])
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    save("steps", {"losses": torch.tensor(losses), **dict(model.named_buffers())})

"""Compute the expected values of tests/cpu/golden.rs with PyTorch: training and single operations.

Requires torch and safetensors. Writes lenet_c1.safetensors, lenet_c3.safetensors and operations.safetensors
next to this script. Everything is computed in float64. Inputs are rounded to float32 first, so that the f32
and f64 tests start from the same numbers.
"""

from pathlib import Path

import torch
import torch.nn.functional as F
from safetensors.torch import save_file

HERE = Path(__file__).parent
BATCH = 3
STEPS = 10
# Rounded to float32, because the engine stores them as such.
LEARNING_RATE, BETA1, BETA2, EPS = (
    float(torch.tensor(value, dtype=torch.float32)) for value in (1e-3, 0.9, 0.999, 1e-8)
)


class LeNet5(torch.nn.Module):
    def __init__(self, channels, classes=10):
        super().__init__()
        self.conv1 = torch.nn.Conv2d(channels, 6, 5)
        self.conv2 = torch.nn.Conv2d(6, 16, 5)
        self.fc1 = torch.nn.Linear(400, 120)
        self.fc2 = torch.nn.Linear(120, 84)
        self.fc3 = torch.nn.Linear(84, classes)

    def forward(self, x):
        x = F.max_pool2d(F.relu(self.conv1(x)), 2)
        x = F.max_pool2d(F.relu(self.conv2(x)), 2)
        x = F.relu(self.fc1(x.flatten(1)))
        x = F.relu(self.fc2(x))
        return F.log_softmax(self.fc3(x), dim=1)


def arena(tensors):
    """All tensors in one, in the order of the parameter table."""
    return torch.cat([tensor.detach().flatten() for tensor in tensors])


def lenet(channels):
    torch.manual_seed(channels)
    model = LeNet5(channels).double()
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.copy_(parameter.float())
    images = (torch.rand(BATCH, channels, 32, 32) * 2 - 1).float()
    labels = torch.tensor([3, 0, 9])
    out = {
        "parameters": arena(model.parameters()).float(),
        "images": images,
        "labels": labels.int(),
    }
    adam = torch.optim.Adam(model.parameters(), lr=LEARNING_RATE, betas=(BETA1, BETA2), eps=EPS)
    losses = []
    for step in range(STEPS):
        adam.zero_grad()
        log_probs = model(images.double())
        loss = F.nll_loss(log_probs, labels)
        loss.backward()
        losses.append(loss.item())
        if step == 0:
            out["log_probs"] = log_probs.detach().clone()
            out["gradient"] = arena(parameter.grad for parameter in model.parameters())
        adam.step()
    out["losses"] = torch.tensor(losses, dtype=torch.float64)
    out["parameters_after"] = arena(model.parameters())
    save_file(out, HERE / f"lenet_c{channels}.safetensors")


def operations():
    """Single operations with shapes that LeNet-5 does not have."""
    torch.manual_seed(0)
    out = {}

    def values(*shape):
        return torch.randn(*shape).double().requires_grad_()

    # batch, channels, height, width, filters, size, stride, padding
    for index, (b, c, h, w, f, k, s, p) in enumerate([
        (2, 3, 9, 7, 4, 3, 2, 1),
        (1, 2, 8, 11, 9, 5, 3, 2),
        (3, 1, 5, 5, 2, 2, 1, 3),
        (2, 2, 6, 7, 3, 3, 2, 0),
    ]):
        x, weight, bias = values(b, c, h, w), values(f, c, k, k), values(f)
        y = F.conv2d(x, weight, bias, stride=s, padding=p)
        dy = values(*y.shape)
        dx, dweight, dbias = torch.autograd.grad(y, (x, weight, bias), dy)
        name = f"conv{index}"
        out[f"{name}.shape"] = torch.tensor([b, c, h, w, f, k, s, p])
        tensors = dict(x=x, weight=weight, bias=bias, y=y, dy=dy, dx=dx, dweight=dweight, dbias=dbias)
        out |= {f"{name}.{key}": value.detach() for key, value in tensors.items()}

    # batch, channels, height, width, window, stride
    for index, (b, c, h, w, k, s) in enumerate([(2, 3, 9, 7, 3, 2), (1, 2, 8, 8, 2, 2), (2, 1, 7, 8, 2, 3)]):
        # Few different values, so that ties are common and the first maximum must win.
        x = torch.randint(-2, 3, (b, c, h, w)).double().requires_grad_()
        y, argmax = F.max_pool2d(x, k, s, return_indices=True)
        dy = values(*y.shape)
        (dx,) = torch.autograd.grad(y, x, dy)
        name = f"pool{index}"
        out[f"{name}.shape"] = torch.tensor([b, c, h, w, k, s])
        out[f"{name}.argmax"] = argmax.int()
        tensors = dict(x=x, y=y, dy=dy, dx=dx)
        out |= {f"{name}.{key}": value.detach() for key, value in tensors.items()}

    save_file({key: value.contiguous() for key, value in out.items()}, HERE / "operations.safetensors")


if __name__ == "__main__":
    lenet(1)
    lenet(3)
    operations()

"""Compute the expected values of tests/cpu/golden.rs with PyTorch: optimizers and clipping.

Requires torch, safetensors and the network, images and labels that make_golden.py writes. Writes
optimizers.safetensors next to this script: for each optimizer, the parameters and the optimizer's state after five
steps, at a few offsets of every tensor. Everything is computed in float64. Hyperparameters are rounded to float32
first, because the engine stores them as such.
"""

import torch
import torch.nn.functional as F
from safetensors.torch import load_file, save_file

from make_golden import BETA1, BETA2, EPS, HERE, LeNet5, arena

STEPS = 5
# The largest number of values stored of each tensor.
SAMPLES = 24


def f32(value):
    return float(torch.tensor(value, dtype=torch.float32))


class CorrectedTwice(torch.optim.Optimizer):
    """Adam with its bias correction applied twice, as in the paper's listing."""

    def __init__(self, parameters, lr, betas, eps):
        super().__init__(parameters, dict(lr=lr, betas=betas, eps=eps))

    @torch.no_grad()
    def step(self):
        (group,) = self.param_groups
        beta1, beta2 = group["betas"]
        for p in group["params"]:
            state = self.state[p]
            state["t"] = state.get("t", 0) + 1
            m = beta1 * state.get("exp_avg", 0) + (1 - beta1) * p.grad
            v = beta2 * state.get("exp_avg_sq", 0) + (1 - beta2) * p.grad**2
            state["exp_avg"], state["exp_avg_sq"] = m, v
            for _ in range(2):
                m = m / (1 - beta1 ** state["t"])
                v = v / (1 - beta2 ** state["t"])
            p -= group["lr"] * m / (v.sqrt() + group["eps"])


def adam(parameters):
    return torch.optim.Adam(parameters, lr=f32(1e-3), betas=(BETA1, BETA2), eps=EPS)


def adamw(parameters):
    decay = f32(0.1)
    return torch.optim.AdamW(parameters, lr=f32(1e-3), betas=(BETA1, BETA2), eps=EPS, weight_decay=decay)


def corrected_twice(parameters):
    return CorrectedTwice(parameters, lr=f32(1e-3), betas=(BETA1, BETA2), eps=EPS)


def sgd(**options):
    options = {key: f32(value) if isinstance(value, float) else value for key, value in options.items()}
    return lambda parameters: torch.optim.SGD(parameters, lr=f32(0.05), **options)


def by_value(model):
    for name, parameter in model.named_parameters():
        bound = f32(0.05) if name.startswith("conv") else f32(0.02)
        torch.nn.utils.clip_grad_value_(parameter, bound)


def by_norm(model):
    torch.nn.utils.clip_grad_norm_(model.parameters(), f32(0.5))


def by_tensor_norm(model):
    for parameter in model.parameters():
        torch.nn.utils.clip_grad_norm_(parameter, f32(0.2))


def clip_all(model):
    by_tensor_norm(model)
    by_norm(model)
    by_value(model)


@torch.no_grad()
def bound(model):
    for parameter in model.parameters():
        parameter.clamp_(-f32(0.1), f32(0.1))


def nothing(model):
    pass


# Name: (optimizer, action before each update, action after it).
OPTIMIZERS = {
    "adam": (adam, nothing, nothing),
    "adamw": (adamw, nothing, nothing),
    "corrected_twice": (corrected_twice, nothing, nothing),
    "sgd": (sgd(), nothing, nothing),
    "momentum": (sgd(momentum=0.9), nothing, nothing),
    "nesterov": (sgd(momentum=0.9, nesterov=True), nothing, nothing),
    "weight_decay": (sgd(momentum=0.9, weight_decay=0.1), nothing, nothing),
    "clip_value": (sgd(), by_value, nothing),
    "clip_norm": (adam, by_norm, nothing),
    "clip_tensor_norm": (sgd(momentum=0.9), by_tensor_norm, nothing),
    "clip_every_way": (sgd(), clip_all, nothing),
    "bound": (adam, nothing, bound),
}


def train(golden, make, before, after):
    model = LeNet5(1).double()
    with torch.no_grad():
        offset = 0
        for parameter in model.parameters():
            values = golden["parameters"][offset : offset + parameter.numel()]
            parameter.copy_(values.view_as(parameter))
            offset += parameter.numel()
    optimizer = make(model.parameters())
    for _ in range(STEPS):
        optimizer.zero_grad()
        F.nll_loss(model(golden["images"].double()), golden["labels"].long()).backward()
        unclipped = arena(parameter.grad for parameter in model.parameters())
        before(model)
        clipped = arena(parameter.grad for parameter in model.parameters())
        assert before is nothing or not torch.equal(unclipped, clipped), "the bound has no effect, so the test would be meaningless"
        optimizer.step()
        after(model)
    return model, optimizer


def main():
    golden = load_file(HERE / "lenet_c1.safetensors")
    offsets, start = [], 0
    for parameter in LeNet5(1).parameters():
        count = min(SAMPLES, parameter.numel())
        offsets += [start + index * parameter.numel() // count for index in range(count)]
        start += parameter.numel()
    out = {"places": torch.tensor(offsets, dtype=torch.int32)}
    for name, (make, before, after) in OPTIMIZERS.items():
        model, optimizer = train(golden, make, before, after)
        out[f"{name}.parameters"] = arena(model.parameters())[offsets]
        for key in ("exp_avg", "exp_avg_sq", "momentum_buffer"):
            states = [optimizer.state[parameter].get(key) for parameter in model.parameters()]
            if states[0] is not None:
                out[f"{name}.{key}"] = arena(states)[offsets]
    save_file(out, HERE / "optimizers.safetensors")


if __name__ == "__main__":
    main()

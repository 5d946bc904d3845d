"""Compute the expected values of tests/cpu/weighted.rs with PyTorch: class weights in every loss.

Requires torch, safetensors, the network, images and labels that make_golden.py writes, and those that make_network.py
writes. Writes weighted.safetensors next to this script. Everything is computed in float64. Inputs are rounded to
float32 first, because the engine stores them as such.

PyTorch's mse_loss has no class weights. Here the weight of an image's label multiplies its loss, and the mean divides
by the sum of the weights, as in cross_entropy.
"""

import torch
import torch.nn.functional as F
from safetensors.torch import load_file, save_file

import make_golden
import make_network
from make_golden import BETA1, BETA2, EPS, HERE, LEARNING_RATE, arena
from make_network import SMOOTHING

CLASSES = 5
# One class is not to be learned.
WEIGHTS = torch.tensor([0.25, 3.0, 0.0, 1.5, 0.7])
LABELS = torch.tensor([1, 0, 4, 1, 2, 3])
STEPS = 5
# The largest number of values stored of each tensor.
SAMPLES = 24


def weighted(logits, labels, weights, kind, reduction, smoothing):
    """The loss of each image, and that of the batch."""
    if kind == "mse":
        classes = logits.shape[1]
        target = F.one_hot(labels, classes).double() * (1 - smoothing) + smoothing / classes
        each = F.mse_loss(logits, target, reduction="none")
        each = (each.mean(1) if reduction == "mean" else each.sum(1)) * weights[labels]
        return each, each.sum() / weights[labels].sum() if reduction == "mean" else each.sum()
    if kind == "cross-entropy":
        loss = lambda reduction: F.cross_entropy(
            logits, labels, weight=weights, reduction=reduction, label_smoothing=smoothing
        )
    else:
        assert smoothing == 0, "PyTorch's nll_loss has no smoothing"
        outputs = F.log_softmax(logits, dim=1) if kind == "nll" else logits
        loss = lambda reduction: F.nll_loss(outputs, labels, weight=weights, reduction=reduction)
    return loss("none"), loss(reduction)


def losses(out):
    """Every loss at the same logits."""
    torch.manual_seed(11)
    logits = torch.randn(len(LABELS), CLASSES).mul(2).float().double().requires_grad_()
    out |= {"weights": WEIGHTS.double(), "labels": LABELS.int(), "logits": logits.detach()}
    for kind in ("nll", "cross-entropy", "mse", "raw-nll"):
        for reduction in ("mean", "sum"):
            for smoothing in (0.0, SMOOTHING) if kind in ("cross-entropy", "mse") else (0.0,):
                each, batch = weighted(logits, LABELS, WEIGHTS.double(), kind, reduction, smoothing)
                (gradient,) = torch.autograd.grad(batch, logits)
                name = f"{kind}.{reduction}.{'smoothed' if smoothing else 'plain'}"
                out |= {f"{name}.each": each, f"{name}.batch": batch.reshape(1), f"{name}.gradient": gradient}


def offsets(tensors):
    """The offsets of a few values of each tensor in the arena."""
    found, start = [], 0
    for tensor in tensors:
        count = min(SAMPLES, tensor.numel())
        found += [start + index * tensor.numel() // count for index in range(count)]
        start += tensor.numel()
    return found


def network_weights(classes):
    return torch.tensor([0.5 + 0.375 * (7 * k % classes) for k in range(classes)], dtype=torch.float64)


def training(out):
    """Five steps of Adam with smoothed cross-entropy."""
    golden = load_file(HERE / "lenet_c1.safetensors")
    model = make_golden.LeNet5(1).double()
    with torch.no_grad():
        start = 0
        for parameter in model.parameters():
            parameter.copy_(golden["parameters"][start : start + parameter.numel()].view_as(parameter))
            start += parameter.numel()
    adam = torch.optim.Adam(model.parameters(), lr=LEARNING_RATE, betas=(BETA1, BETA2), eps=EPS)
    losses = []
    for _ in range(STEPS):
        adam.zero_grad()
        # Log-probabilities are logits too: their log-softmax is the same.
        log_probs = model(golden["images"].double())
        labels = golden["labels"].long()
        _, loss = weighted(log_probs, labels, network_weights(10), "cross-entropy", "mean", SMOOTHING)
        loss.backward()
        losses.append(loss.item())
        adam.step()
    places = offsets(model.parameters())
    out |= {"training.offsets": torch.tensor(places, dtype=torch.int32)}
    out |= {"training.losses": torch.tensor(losses, dtype=torch.float64)}
    out |= {"training.parameters": arena(model.parameters())[places]}


def normalised(out):
    """The gradient of a network with batch normalisation."""
    golden = load_file(HERE / "networks.safetensors")
    model = make_network.LeNet5(True, "relu").double()
    state = {key: golden[f"parameters.{key}"] for key in model.state_dict() if "num_batches" not in key}
    model.load_state_dict(state, strict=False)
    _, loss = weighted(
        model(golden["images"][0].double()), golden["labels"][0].long(), network_weights(10), "nll", "mean", 0.0
    )
    loss.backward()
    for name, parameter in model.named_parameters():
        out[f"normalised.{name}"] = parameter.grad.flatten()[offsets([parameter])]


def main():
    out = {}
    losses(out)
    training(out)
    normalised(out)
    save_file({key: value.detach().clone().contiguous() for key, value in out.items()}, HERE / "weighted.safetensors")


if __name__ == "__main__":
    main()

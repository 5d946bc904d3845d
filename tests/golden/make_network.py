"""Compute the expected values of tests/cpu/golden.rs with PyTorch: networks with batch normalisation, other activations
and other losses.

Requires torch and safetensors. Writes networks.safetensors next to this script. Everything is computed in float64.
Inputs are rounded to float32 first, so that the f32 and f64 tests start from the same numbers. All networks share
parameters and images.
"""

from pathlib import Path

import torch
import torch.nn.functional as F
from safetensors.torch import save_file

HERE = Path(__file__).parent
CHANNELS, CLASSES = 3, 10
BATCHES, BATCH = 3, 4
LABELS = torch.tensor([[3, 0, 9, 3], [1, 1, 7, 5], [2, 8, 4, 6]])
# Rounded to float32, because the engine stores it as such.
SMOOTHING = float(torch.tensor(0.1, dtype=torch.float32))
# Only every 37th value is stored of gradients with more values than this.
WHOLE = 1_000

ACTIVATIONS = {
    "identity": lambda x: x,
    "relu": F.relu,
    "sigmoid": torch.sigmoid,
    "sign": torch.sign,
    "tanh": torch.tanh,
    "hard-tanh": F.hardtanh,
    "log-softmax": lambda x: F.log_softmax(x, dim=1),
}

# name, batch norm, activation, loss, reduction, smoothed
NETWORKS = [
    ("normalised", True, "relu", "nll", "mean", False),
    ("normalised_mse", True, "tanh", "mse", "mean", True),
    ("normalised_sum", True, "sigmoid", "cross-entropy", "sum", True),
    ("normalised_log_softmax", True, "log-softmax", "mse", "sum", False),
    ("identity", False, "identity", "nll", "mean", False),
    ("sigmoid", False, "sigmoid", "nll", "mean", False),
    ("sign", False, "sign", "nll", "mean", False),
    ("tanh", False, "tanh", "nll", "sum", False),
    ("hard_tanh", False, "hard-tanh", "nll", "mean", False),
    ("log_softmax", False, "log-softmax", "nll", "mean", False),
    ("mse", False, "relu", "mse", "mean", False),
    ("raw_nll", False, "relu", "raw-nll", "mean", False),
    ("mse_sum", False, "relu", "mse", "sum", True),
    ("smoothed", False, "relu", "cross-entropy", "mean", True),
]


class LeNet5(torch.nn.Module):
    def __init__(self, batch_norm, activation):
        super().__init__()
        self.conv1 = torch.nn.Conv2d(CHANNELS, 6, 5)
        self.conv2 = torch.nn.Conv2d(6, 16, 5)
        self.fc1 = torch.nn.Linear(400, 120)
        self.fc2 = torch.nn.Linear(120, 84)
        self.fc3 = torch.nn.Linear(84, CLASSES)
        identity = torch.nn.Identity
        self.bn1 = torch.nn.BatchNorm2d(6) if batch_norm else identity()
        self.bn2 = torch.nn.BatchNorm2d(16) if batch_norm else identity()
        self.bn3 = torch.nn.BatchNorm1d(120) if batch_norm else identity()
        self.bn4 = torch.nn.BatchNorm1d(84) if batch_norm else identity()
        self.activation = ACTIVATIONS[activation]

    def forward(self, x):
        x = F.max_pool2d(self.bn1(F.relu(self.conv1(x))), 2)
        x = F.max_pool2d(self.bn2(F.relu(self.conv2(x))), 2)
        x = self.bn3(self.activation(self.fc1(x.flatten(1))))
        x = self.bn4(self.activation(self.fc2(x)))
        return self.fc3(x)


def losses(logits, labels, kind, reduction, smoothing):
    """The outputs of the network, the loss of each image, and the loss of the batch."""
    if kind == "mse":
        target = F.one_hot(labels, CLASSES).double() * (1 - smoothing) + smoothing / CLASSES
        each = F.mse_loss(logits, target, reduction="none")
        each = each.mean(1) if reduction == "mean" else each.sum(1)
        return logits, each, F.mse_loss(logits, target, reduction=reduction)
    if kind == "raw-nll":
        each = F.nll_loss(logits, labels, reduction="none")
        return logits, each, F.nll_loss(logits, labels, reduction=reduction)
    log_probs = F.log_softmax(logits, dim=1)
    if kind == "nll":
        assert smoothing == 0, "PyTorch's nll_loss has no smoothing"
        each = F.nll_loss(log_probs, labels, reduction="none")
        return log_probs, each, F.nll_loss(log_probs, labels, reduction=reduction)
    each = F.cross_entropy(logits, labels, reduction="none", label_smoothing=smoothing)
    batch = F.cross_entropy(logits, labels, reduction=reduction, label_smoothing=smoothing)
    return log_probs, each, batch


def sampled(values):
    values = values.flatten()
    return values if len(values) <= WHOLE else values[::37]


def network(name, batch_norm, activation, kind, reduction, smoothed, state, images):
    """Forward and backward for one batch, forward for two more, and an evaluation of the first."""
    model = LeNet5(batch_norm, activation).double()
    model.load_state_dict({key: value for key, value in state.items() if key in model.state_dict()}, strict=False)
    smoothing = SMOOTHING if smoothed else 0.0
    out = {}
    for batch in range(BATCHES):
        logits = model(images[batch].double())
        outputs, each, loss = losses(logits, LABELS[batch], kind, reduction, smoothing)
        if batch == 0:
            loss.backward()
            out |= {"outputs": outputs.detach(), "losses": each.detach()}
            for tensor, parameter in model.named_parameters():
                out[f"gradient.{tensor}"] = sampled(parameter.grad)
    for tensor, value in model.named_buffers():
        if not tensor.endswith("num_batches_tracked"):
            out[tensor] = value
    model.eval()
    with torch.no_grad():
        outputs, each, _ = losses(model(images[0].double()), LABELS[0], kind, reduction, 0.0)
    out |= {"evaluated.outputs": outputs, "evaluated.losses": each}
    return {f"{name}.{key}": value.clone().contiguous() for key, value in out.items()}


def main():
    torch.manual_seed(7)
    start = LeNet5(True, "relu")
    with torch.no_grad():
        for norm in (start.bn1, start.bn2, start.bn3, start.bn4):
            norm.weight.uniform_(0.5, 1.5)
            norm.bias.uniform_(-0.5, 0.5)
            norm.running_mean.uniform_(-0.5, 0.5)
            norm.running_var.uniform_(0.5, 1.5)
    state = {key: value for key, value in start.state_dict().items() if "num_batches" not in key}
    # Images of different brightness, so that their activations differ.
    brightness = torch.linspace(0.1, 1, BATCHES * BATCH).reshape(BATCHES, BATCH, 1, 1, 1)
    images = (torch.rand(BATCHES, BATCH, CHANNELS, 32, 32) * 2 * brightness - 1).float()
    out = {"images": images, "labels": LABELS.int()}
    out |= {f"parameters.{key}": value.clone() for key, value in state.items()}
    for case in NETWORKS:
        out |= network(*case, state, images)
    save_file(out, HERE / "networks.safetensors")


if __name__ == "__main__":
    main()

"""Compute the expected values of tests/common/ensemble.rs with PyTorch: the mean of the probabilities of two models.

Requires torch, safetensors, and the parameters that make_golden.py (three channels) and make_network.py write. Writes
ensemble.safetensors next to this script. Everything is computed in float64 from the engine's bytes and float32 parameters.
"""

import torch
import torch.nn.functional as F
from safetensors.torch import load_file, save_file

from make_golden import HERE
from make_network import CHANNELS, CLASSES, LeNet5

IMAGES = 6
# The last layer's weights are multiplied by this, so that the models are as sure as trained ones, and disagree.
SHARPNESS = 64.0


def models():
    """A plain network, and one with batch normalisation and tanh."""
    arena = load_file(HERE / "lenet_c3.safetensors")["parameters"]
    plain = LeNet5(False, "relu")
    for parameter in plain.parameters():
        parameter.data = arena[: parameter.numel()].reshape(parameter.shape).clone()
        arena = arena[parameter.numel() :]
    assert len(arena) == 0
    normalised = LeNet5(True, "tanh")
    stored = load_file(HERE / "networks.safetensors")
    prefix = "parameters."
    state = {key.removeprefix(prefix): value for key, value in stored.items() if key.startswith(prefix)}
    normalised.load_state_dict(state, strict=False)
    for model in (plain, normalised):
        model.fc3.weight.data *= SHARPNESS
        yield model.double().eval()


@torch.no_grad()
def main():
    torch.manual_seed(23)
    brightness = torch.linspace(0.2, 1, IMAGES).reshape(IMAGES, 1, 1, 1)
    images = (torch.rand(IMAGES, CHANNELS, 32, 32) * 255 * brightness).round().to(torch.uint8)
    labels = torch.tensor([3, 1, 4, 1, 5, 9])
    inputs = (images.double() / 255 - 0.5) / 0.5
    logs = torch.stack([F.log_softmax(model(inputs), dim=1) for model in models()])
    probabilities = logs.exp().mean(0)
    out = {"images": images, "labels": labels.int(), "logs": logs, "mean_logs": probabilities.log()}
    out["loss"] = F.nll_loss(probabilities.log(), labels).reshape(1)
    print("classes", logs.argmax(2).tolist(), "of the mean", probabilities.argmax(1).tolist())
    print("largest probabilities", logs.exp().amax(2).tolist(), "lowest logarithm", probabilities.log().min().item())
    assert probabilities.shape == (IMAGES, CLASSES)
    save_file({key: value.clone().contiguous() for key, value in out.items()}, HERE / "ensemble.safetensors")


if __name__ == "__main__":
    main()

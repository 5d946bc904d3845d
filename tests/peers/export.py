"""Checks that onnxruntime and PyTorch compute the same logits and classes from an exported model on MNIST's 10,000
test images, and the same mean probabilities from the ensemble of all models of one channel.

Needs torch, safetensors, onnx, onnxruntime and a release build; see README.md in this folder. Checks the given model
files, or, if none are given, trains a model of each kind for one epoch and checks those.

    python tests/peers/export.py [MODEL.safetensors ...]
"""

import argparse
import gzip
import json
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np
import onnx
import onnxruntime
import torch
import torch.nn.functional as F
from safetensors import safe_open
from safetensors.torch import load_file
from torch import nn

ROOT = Path(__file__).parents[2]
PROGRAM = ROOT / "target" / "release" / "lenet-gpu"


def tolerance(largest):
    """The allowed difference between two programs' logits: sums of hundreds of f32 products in different orders differ
    by at most 16 rounding errors of the largest logit. PyTorch's own difference from f64 is printed for comparison."""
    return max(1e-5, 16 * np.finfo(np.float32).eps * largest)


# Options of `train` for a network of each kind.
KINDS = [
    [],
    ["--batch-norm"],
    ["--channels", "3", "--batch-norm"],
    *(["--activation", name] for name in ["sigmoid", "identity", "tanh", "hard-tanh", "log-softmax"]),
]

ACTIVATIONS = {
    "relu": torch.relu,
    "sigmoid": torch.sigmoid,
    "identity": lambda x: x,
    "sign": torch.sign,
    "tanh": torch.tanh,
    "hard-tanh": F.hardtanh,
    "log-softmax": lambda x: F.log_softmax(x, 1),
}


class LeNet5(nn.Module):
    """The module shown in docs/guide.md, with every option."""

    def __init__(self, channels, classes, batch_norm, activation):
        super().__init__()
        self.activation = ACTIVATIONS[activation]
        self.conv1, self.conv2 = nn.Conv2d(channels, 6, 5), nn.Conv2d(6, 16, 5)
        self.fc1, self.fc2, self.fc3 = nn.Linear(400, 120), nn.Linear(120, 84), nn.Linear(84, classes)
        if batch_norm:
            self.bn1, self.bn2 = nn.BatchNorm2d(6), nn.BatchNorm2d(16)
            self.bn3, self.bn4 = nn.BatchNorm1d(120), nn.BatchNorm1d(84)
        else:
            self.bn1 = self.bn2 = self.bn3 = self.bn4 = lambda x: x

    def forward(self, x):
        x = F.max_pool2d(self.bn1(torch.relu(self.conv1(x))), 2)
        x = F.max_pool2d(self.bn2(torch.relu(self.conv2(x))), 2).flatten(1)
        x = self.bn3(self.activation(self.fc1(x)))
        x = self.bn4(self.activation(self.fc2(x)))
        return self.fc3(x)


def mnist(channels):
    """Returns the test images as bytes [10000, C, 28, 28] and as network inputs."""
    path = ROOT / "data" / "mnist" / "t10k-images-idx3-ubyte.gz"
    pixels = np.frombuffer(gzip.open(path).read(), np.uint8, offset=16).reshape(-1, 1, 28, 28)
    pixels = np.repeat(pixels, channels, axis=1)
    x = F.pad(torch.from_numpy(pixels).float() / 255, (2, 2, 2, 2))
    return pixels, (x - 0.5) / 0.5


def lenet_gpu(*arguments):
    done = subprocess.run([PROGRAM, *map(str, arguments)], check=True, capture_output=True, text=True)
    return done.stdout


def trained(folder):
    for number, options in enumerate(KINDS):
        run = folder / str(number)
        print("training", " ".join(options) or "the plain network", file=sys.stderr)
        lenet_gpu("train", "--backend", "cpu", "--epochs", 1, "--run-dir", run, *options)
        yield run / "model.safetensors"


def onnx_logits(path, images, output="logits"):
    """Computes the logits with onnxruntime, in batches of several sizes."""
    onnx.checker.check_model(onnx.load(path), full_check=True)
    session = onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"])
    (input,) = session.get_inputs()
    cuts = [1, 8, 1000]  # batches of 1, 7, 992 and the remaining images
    return np.concatenate([session.run([output], {input.name: batch})[0] for batch in np.split(images, cuts)])


def description(model):
    with safe_open(model, "pt") as file:
        about = json.loads(file.metadata()["lenet-gpu"])
    return about["channels"], about["classes"], about.get("batch_norm", False), about.get("activation", "relu")


def check(model, folder):
    """Exports a model in every format and prints the differences from PyTorch. Returns whether all are small."""
    channels, classes, batch_norm, activation = description(model)
    pixels, x = mnist(channels)

    copy, network, raw = folder / "copy.safetensors", folder / "lenet.onnx", folder / "raw.onnx"
    lenet_gpu("export", "--model", model, "-o", copy)
    lenet_gpu("export", "--model", model, "-o", network)
    lenet_gpu("export", "--model", model, "-o", raw, "--raw-pixels=28x28")

    peer = LeNet5(channels, classes, batch_norm, activation)
    peer.load_state_dict(load_file(copy))
    with torch.inference_mode():
        expected = peer.eval()(x).numpy()
        rounding = np.abs(expected - peer.double()(x.double()).numpy()).max()

    name = f"{channels} channels, {activation}{', batch norm' if batch_norm else ''}"
    passed = True
    for how, found in [("normalised", onnx_logits(network, x.numpy())), ("raw pixels", onnx_logits(raw, pixels))]:
        difference = np.abs(found - expected).max()
        same = int((found.argmax(1) == expected.argmax(1)).sum())
        largest = np.abs(expected).max()
        print(f"| {name} | {how} | {difference:.1e} | {rounding:.1e} | {largest:.1f} | {same} of {len(expected)} |")
        passed &= bool(difference <= tolerance(largest)) and same == len(expected)

    # Compare with the engine's own figures, in case both programs share an error.
    data = ["--dataset", "mnist", "--channels", channels]
    ours = json.loads(lenet_gpu("evaluate", "--backend", "cpu", "--json", *data, "--model", model))
    path = ROOT / "data" / "mnist" / "t10k-labels-idx1-ubyte.gz"
    labels = torch.from_numpy(np.frombuffer(gzip.open(path).read(), np.uint8, offset=8).copy()).long()
    loss = float(F.cross_entropy(torch.from_numpy(expected), labels))
    accuracy = float((torch.from_numpy(expected).argmax(1) == labels).double().mean())
    if accuracy != ours["accuracy"] or abs(loss - ours["loss"]) > 1e-5:
        print(f"lenet-gpu evaluate reports {ours}; PyTorch has loss {loss}, accuracy {accuracy}")
        passed = False
    return passed


def check_ensemble(models, folder):
    """Exports an ensemble and prints the differences from the mean of PyTorch's probabilities in f64."""
    (pixels, x), path = mnist(1), folder / "ensemble.onnx"
    lenet_gpu("export", *models, "-o", path, "--raw-pixels=28x28")
    peers = [LeNet5(*description(model)) for model in models]
    with torch.inference_mode():
        for peer, model in zip(peers, models):
            peer.load_state_dict(load_file(model))
        logs = [F.log_softmax(peer.double().eval()(x.double()), 1) for peer in peers]
        expected = (torch.logsumexp(torch.stack(logs), 0) - np.log(len(models))).numpy()
    found = onnx_logits(path, pixels, "log_probabilities")
    difference, largest = np.abs(found - expected).max(), np.abs(expected).max()
    same = int((found.argmax(1) == expected.argmax(1)).sum())
    print(f"| ensemble of {len(models)} | raw pixels | {difference:.1e} (f64) | – | {largest:.1f} | {same} of {len(expected)} |")
    return bool(difference <= tolerance(largest)) and same == len(expected)


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n")[0])
    parser.add_argument("models", nargs="*", type=Path, metavar="MODEL.safetensors")
    args = parser.parse_args()
    print(f"PyTorch {torch.__version__}, onnxruntime {onnxruntime.__version__}, onnx {onnx.__version__}")
    print("| network | input | max difference, onnxruntime to PyTorch | PyTorch f32 to f64 | largest logit | same class |")
    print("|---|---|---|---|---|---|")
    with tempfile.TemporaryDirectory() as folder:
        folder = Path(folder)
        models = args.models or list(trained(folder))
        passed = [check(model, folder) for model in models]
        grey = [model for model in models if description(model)[0] == 1]
        if len(grey) > 1:
            passed.append(check_ensemble(grey, folder))
    sys.exit(0 if all(passed) else "onnxruntime and PyTorch differ by more than the tolerance")


main()

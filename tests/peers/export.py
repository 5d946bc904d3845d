"""What onnxruntime and PyTorch make of an exported model: the same logits, and the same classes, of MNIST's 10,000
test images.

Needs torch, safetensors, onnx and onnxruntime, and a release build; see README.md beside this. With a model's file
it exports that one; without, it trains one of each kind for an epoch.

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
    """How far two programs' logits may be apart, by the largest of them: sums of some hundred f32 products in another
    order come out 16 roundings apart at most. PyTorch's own distance from f64 is printed beside."""
    return max(1e-5, 16 * np.finfo(np.float32).eps * largest)


# Options of `train` that make a network of each kind.
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
    """The obvious module, as README.md has it."""

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
    """The test images as bytes [10000, C, 28, 28], and as the network sees them."""
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


def onnx_logits(path, images):
    """By onnxruntime, in batches of any size."""
    onnx.checker.check_model(onnx.load(path), full_check=True)
    session = onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"])
    (input,) = session.get_inputs()
    cuts = [1, 8, 1000]  # so batches of 1, 7, 992 and the rest
    return np.concatenate([session.run(["logits"], {input.name: batch})[0] for batch in np.split(images, cuts)])


def check(model, folder):
    """Exports a model in every way, and tells how far each is from PyTorch; whether all are near."""
    with safe_open(model, "pt") as file:
        about = json.loads(file.metadata()["lenet-gpu"])
    channels, batch_norm = about["channels"], about.get("batch_norm", False)
    activation = about.get("activation", "relu")
    pixels, x = mnist(channels)

    copy, network, raw = folder / "copy.safetensors", folder / "lenet.onnx", folder / "raw.onnx"
    lenet_gpu("export", "--model", model, "-o", copy)
    lenet_gpu("export", "--model", model, "-o", network)
    lenet_gpu("export", "--model", model, "-o", raw, "--raw-pixels=28x28")

    peer = LeNet5(channels, about["classes"], batch_norm, activation)
    peer.load_state_dict(load_file(copy))
    with torch.inference_mode():
        expected = peer.eval()(x).numpy()
        rounding = np.abs(expected - peer.double()(x.double()).numpy()).max()

    name = f"{channels} channels, {activation}{', batch norm' if batch_norm else ''}"
    right = True
    for how, found in [("normalised", onnx_logits(network, x.numpy())), ("raw pixels", onnx_logits(raw, pixels))]:
        off = np.abs(found - expected).max()
        same = int((found.argmax(1) == expected.argmax(1)).sum())
        largest = np.abs(expected).max()
        print(f"| {name} | {how} | {off:.1e} | {rounding:.1e} | {largest:.1f} | {same} of {len(expected)} |")
        right &= bool(off <= tolerance(largest)) and same == len(expected)

    # That it is this module at all, and not two programs in the same error: the engine's own figures.
    ours = json.loads(lenet_gpu("evaluate", "--backend", "cpu", "--json", "--channels", channels, "--model", model))
    path = ROOT / "data" / "mnist" / "t10k-labels-idx1-ubyte.gz"
    labels = torch.from_numpy(np.frombuffer(gzip.open(path).read(), np.uint8, offset=8).copy()).long()
    loss = float(F.cross_entropy(torch.from_numpy(expected), labels))
    accuracy = float((torch.from_numpy(expected).argmax(1) == labels).double().mean())
    if accuracy != ours["accuracy"] or abs(loss - ours["loss"]) > 1e-5:
        print(f"lenet-gpu evaluates it to {ours}, PyTorch to loss {loss}, accuracy {accuracy}")
        right = False
    return right


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n")[0])
    parser.add_argument("models", nargs="*", type=Path, metavar="MODEL.safetensors")
    args = parser.parse_args()
    print(f"PyTorch {torch.__version__}, onnxruntime {onnxruntime.__version__}, onnx {onnx.__version__}")
    print("| network | input | onnxruntime from PyTorch, at most | PyTorch in f32 from f64 | largest logit | same class |")
    print("|---|---|---|---|---|---|")
    with tempfile.TemporaryDirectory() as folder:
        folder = Path(folder)
        right = [check(model, folder) for model in args.models or trained(folder)]
    sys.exit(0 if all(right) else "onnxruntime and PyTorch are further apart than they may be")


main()

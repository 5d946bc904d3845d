"""Trains the same LeNet-5 on the same MNIST in PyTorch, as fast as eager PyTorch goes on a CPU, and prints
images/s of an epoch and of inference, to be held against `lenet-gpu train --backend cpu`.

Needs torch and numpy. The set is one tensor, normalised beforehand; each epoch draws one permutation.

    python benches/peers/pytorch.py --batch-size 64 --epochs 3
"""

import argparse
import gzip
import time
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from torch import nn

DATA = Path(__file__).parents[2] / "data" / "mnist"


class LeNet5(nn.Module):
    def __init__(self):
        super().__init__()
        self.conv1, self.conv2 = nn.Conv2d(1, 6, 5), nn.Conv2d(6, 16, 5)
        self.fc1, self.fc2, self.fc3 = nn.Linear(400, 120), nn.Linear(120, 84), nn.Linear(84, 10)

    def forward(self, x):
        x = F.max_pool2d(F.relu(self.conv1(x)), 2)
        x = F.max_pool2d(F.relu(self.conv2(x)), 2)
        x = F.relu(self.fc2(F.relu(self.fc1(x.flatten(1)))))
        return self.fc3(x)


def images(name):
    pixels = np.frombuffer(gzip.open(DATA / f"{name}.gz").read(), np.uint8, offset=16)
    x = torch.from_numpy(pixels.reshape(-1, 1, 28, 28).copy()).float() / 255
    x = (F.pad(x, (2, 2, 2, 2)) - 0.5) / 0.5
    return x.to(memory_format=torch.channels_last)


def labels(name):
    return torch.from_numpy(np.frombuffer(gzip.open(DATA / f"{name}.gz").read(), np.uint8, offset=8).copy()).long()


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--batch-size", type=int, default=64)
    parser.add_argument("--epochs", type=int, default=3)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--seed", type=int, default=0)
    args = parser.parse_args()
    torch.set_num_threads(args.threads)
    torch.manual_seed(args.seed)

    train_x, train_y = images("train-images-idx3-ubyte"), labels("train-labels-idx1-ubyte")
    test_x, test_y = images("t10k-images-idx3-ubyte"), labels("t10k-labels-idx1-ubyte")
    model = LeNet5().to(memory_format=torch.channels_last)
    adam = torch.optim.Adam(model.parameters(), lr=1e-3, fused=True)
    for epoch in range(args.epochs):
        started = time.perf_counter()
        for batch in torch.randperm(len(train_x)).split(args.batch_size):
            adam.zero_grad(set_to_none=True)
            F.cross_entropy(model(train_x[batch]), train_y[batch]).backward()
            adam.step()
        training = time.perf_counter() - started
        started = time.perf_counter()
        with torch.inference_mode():
            right = sum((model(x).argmax(1) == y).sum() for x, y in zip(test_x.split(1024), test_y.split(1024)))
        inference = time.perf_counter() - started
        print(
            f"epoch {epoch + 1}: {len(train_x) / training:.0f} images/s in training, "
            f"{len(test_x) / inference:.0f} in inference, test accuracy {100 * right / len(test_x):.2f} %"
        )


main()

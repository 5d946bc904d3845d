"""The same LeNet-5 on the same MNIST in PyTorch, tuned for f32: images/s of training and inference, for comparison with
`lenet-gpu bench`.

Needs torch and numpy. The normalised images are on the device; each epoch draws a random order there, and a step
gathers its batch by index. On the CPU, tensors are channels-last, which is fastest. On a GPU, TF32 is off, because the
kernels to compare with do not use it. With --cuda-graph, a whole step (gather, forward, backward, Adam) is captured
once and replayed.

    python benches/peers/pytorch.py --train 64,256,1024 --infer 1,1024
    python benches/peers/pytorch.py --device cuda --cuda-graph
    python benches/peers/pytorch.py --epochs 3
"""

import argparse
import json
import time
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from torch import nn

# Written by `data/pack-mnist --unpack data/mnist`.
DATA = Path(__file__).parents[2] / "data" / "mnist"

# Untimed steps at each batch size, during which PyTorch tunes and allocates.
WARM_UP = 10


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
    pixels = np.fromfile(DATA / name, np.uint8, offset=16)
    x = torch.from_numpy(pixels.reshape(-1, 1, 28, 28).copy()).float() / 255
    return (F.pad(x, (2, 2, 2, 2)) - 0.5) / 0.5


def labels(name):
    return torch.from_numpy(np.fromfile(DATA / name, np.uint8, offset=8)).long()


class Peer:
    """The network, its optimizer and the data on one device."""

    def __init__(self, device, cuda_graph):
        self.device, self.cuda_graph = torch.device(device), cuda_graph
        layout = torch.channels_last if device == "cpu" else torch.contiguous_format
        self.train_x = images("train-images-idx3-ubyte").to(self.device).to(memory_format=layout)
        self.train_y = labels("train-labels-idx1-ubyte").to(self.device)
        self.test_x = images("t10k-images-idx3-ubyte").to(self.device).to(memory_format=layout)
        self.test_y = labels("t10k-labels-idx1-ubyte").to(self.device)
        self.model = LeNet5().to(self.device, memory_format=layout)
        self.adam = torch.optim.Adam(self.model.parameters(), lr=1e-3, fused=True, capturable=cuda_graph)

    def wait(self):
        if self.device.type == "cuda":
            torch.cuda.synchronize()

    def batches(self, size):
        """Yields the indices of whole batches, in a new random order each epoch."""
        count = len(self.train_x) // size * size
        while True:
            yield from torch.randperm(len(self.train_x), device=self.device)[:count].split(size)

    def train(self, batch):
        self.adam.zero_grad(set_to_none=True)
        F.cross_entropy(self.model(self.train_x[batch]), self.train_y[batch]).backward()
        self.adam.step()

    @torch.inference_mode()
    def infer(self, batch):
        return self.model(self.train_x[batch]).argmax(1)

    def graphed(self, step, size):
        """Captures `step` as a CUDA graph for this batch size. The returned function always returns the same tensor."""
        batch = torch.arange(size, device=self.device)
        # PyTorch requires a warm-up on a separate stream before a capture.
        stream = torch.cuda.Stream()
        stream.wait_stream(torch.cuda.current_stream())
        with torch.cuda.stream(stream):
            for _ in range(3):
                step(batch)
        torch.cuda.current_stream().wait_stream(stream)
        self.adam.zero_grad(set_to_none=True)
        graph = torch.cuda.CUDAGraph()
        with torch.cuda.graph(graph):
            result = step(batch)

        def replay(indices):
            batch.copy_(indices)
            graph.replay()
            return result

        return replay

    def images_per_second(self, step, size, seconds):
        """The throughput of `step` with batches of `size`, measured over about `seconds`."""
        if self.cuda_graph:
            step = self.graphed(step, size)
        batches = self.batches(size)

        def timed(count):
            self.wait()
            started = time.perf_counter()
            for _ in range(count):
                step(next(batches))
            self.wait()
            return time.perf_counter() - started

        timed(WARM_UP)
        # Double the number of steps until they take that long; clock rates rise meanwhile.
        count = 1
        while (took := timed(count)) < seconds:
            count *= 2
        count = max(round(seconds / took * count), 1)
        return count * size / timed(count)

    def accuracy(self):
        with torch.inference_mode():
            batches = zip(self.test_x.split(1024), self.test_y.split(1024))
            correct = sum((self.model(x).argmax(1) == y).sum() for x, y in batches)
        return float(correct) / len(self.test_x)


def numbers(text):
    return [int(number) for number in text.split(",") if number]


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--train", type=numbers, default=[64], metavar="N,N", help="batch sizes for training")
    parser.add_argument("--infer", type=numbers, default=[], metavar="N,N", help="batch sizes for inference")
    parser.add_argument("--seconds", type=float, default=3, metavar="N", help="seconds per figure, after a warm-up of the same length")
    parser.add_argument("--epochs", type=int, default=0, metavar="N", help="then train this many epochs and print the accuracy")
    parser.add_argument("--device", choices=["cpu", "cuda"], default="cpu")
    parser.add_argument("--cuda-graph", action="store_true", help="capture whole steps")
    parser.add_argument("--tf32", action="store_true", help="allow TF32, which rounds factors to 10 bits")
    parser.add_argument("--threads", type=int, default=None, metavar="N", help="CPU threads [default: PyTorch's choice]")
    parser.add_argument("--seed", type=int, default=0, metavar="N")
    parser.add_argument("--json", action="store_true", help="print one JSON object and nothing else")
    args = parser.parse_args()
    if args.cuda_graph and args.device != "cuda":
        parser.error("--cuda-graph needs --device cuda")
    if args.device == "cuda" and not torch.cuda.is_available():
        parser.error("--device cuda: PyTorch cannot find a GPU")
    if args.threads:
        torch.set_num_threads(args.threads)
    torch.manual_seed(args.seed)
    torch.backends.cuda.matmul.allow_tf32 = torch.backends.cudnn.allow_tf32 = args.tf32
    torch.backends.cudnn.benchmark = True

    peer = Peer(args.device, args.cuda_graph)
    throughput = []
    for task, step, sizes in [("train", peer.train, args.train), ("infer", peer.infer, args.infer)]:
        for size in sizes:
            rate = peer.images_per_second(step, size, args.seconds)
            throughput.append(dict(task=task, batch=size, images_per_second=rate))
            if not args.json:
                print(f"{task}, batch {size}: {rate:.0f} images/s, {1e6 * size / rate:.0f} µs/step")
    if args.json:
        mode = "CUDA graphs" if args.cuda_graph else "eager"
        hardware = torch.cuda.get_device_name() if args.device == "cuda" else f"CPU, {torch.get_num_threads()} threads"
        name = f"PyTorch {torch.__version__} {mode} ({hardware})"
        print(json.dumps(dict(name=name, throughput=throughput)))
    for epoch in range(args.epochs):
        for batch in torch.randperm(len(peer.train_x), device=peer.device).split(args.train[0]):
            peer.train(batch)
        print(f"epoch {epoch + 1}: test accuracy {100 * peer.accuracy():.2f} %")


if __name__ == "__main__":
    main()

"""The same LeNet-5 on the same MNIST in PyTorch, as fast as PyTorch goes in f32: images/s of training and of
inference, to be held against those of `lenet-gpu bench`.

Needs torch and numpy. The set lies on the device, normalised beforehand; each pass over it has an order of its
own, drawn there, and a step gathers its batch by index. On the CPU everything is channels-last, which is the
fastest there; on a GPU TF32 is off, as the kernels it is held against have none. With --cuda-graph a whole step
(gather, forward, backward, Adam) is captured once and replayed.

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

# Steps at each batch size before any time is taken: what is tuned or allocated is so then.
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
    """The network, its optimizer, and the data, on one device."""

    def __init__(self, device, cuda_graph):
        self.device, self.cuda_graph = torch.device(device), cuda_graph
        layout = torch.channels_last if device == "cpu" else torch.contiguous_format
        place = lambda tensor: tensor.to(self.device)
        self.train_x = place(images("train-images-idx3-ubyte")).to(memory_format=layout)
        self.train_y = place(labels("train-labels-idx1-ubyte"))
        self.test_x = place(images("t10k-images-idx3-ubyte")).to(memory_format=layout)
        self.test_y = place(labels("t10k-labels-idx1-ubyte"))
        self.model = LeNet5().to(self.device, memory_format=layout)
        self.adam = torch.optim.Adam(self.model.parameters(), lr=1e-3, fused=True, capturable=cuda_graph)

    def wait(self):
        if self.device.type == "cuda":
            torch.cuda.synchronize()

    def batches(self, size):
        """Places of whole batches, in a new order each time the set is through."""
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
        """`step` captured as a CUDA graph over a batch of this size; what it returns is one place in memory."""
        batch = torch.arange(size, device=self.device)
        # PyTorch asks for a warm-up on a stream of its own before a capture.
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

        def replay(places):
            batch.copy_(places)
            graph.replay()
            return result

        return replay

    def images_per_second(self, step, size, seconds):
        """The rate of `step` over batches of `size`, from as many as take about `seconds`."""
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
        # Doubled until they take so long: clocks rise meanwhile.
        count = 1
        while (took := timed(count)) < seconds:
            count *= 2
        count = max(round(seconds / took * count), 1)
        return count * size / timed(count)

    def accuracy(self):
        with torch.inference_mode():
            parts = zip(self.test_x.split(1024), self.test_y.split(1024))
            right = sum((self.model(x).argmax(1) == y).sum() for x, y in parts)
        return float(right) / len(self.test_x)


def numbers(typed):
    return [int(part) for part in typed.split(",") if part]


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--train", type=numbers, default=[64], metavar="N,N", help="batch sizes in training")
    parser.add_argument("--infer", type=numbers, default=[], metavar="N,N", help="batch sizes in inference")
    parser.add_argument("--seconds", type=float, default=3, metavar="N", help="of each figure, warming up as long")
    parser.add_argument("--epochs", type=int, default=0, metavar="N", help="then train so long and tell the accuracy")
    parser.add_argument("--device", choices=["cpu", "cuda"], default="cpu")
    parser.add_argument("--cuda-graph", action="store_true", help="capture whole steps")
    parser.add_argument("--tf32", action="store_true", help="let a GPU round what it multiplies to 10 bits")
    parser.add_argument("--threads", type=int, default=None, metavar="N", help="of the CPU [default: PyTorch's]")
    parser.add_argument("--seed", type=int, default=0, metavar="N")
    parser.add_argument("--json", action="store_true", help="print one JSON object and nothing else")
    args = parser.parse_args()
    if args.cuda_graph and args.device != "cuda":
        parser.error("--cuda-graph needs --device cuda")
    if args.device == "cuda" and not torch.cuda.is_available():
        parser.error("--device cuda: PyTorch finds no GPU")
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
                print(f"{task}, batch {size}: {rate:.0f} images/s, {1e6 * size / rate:.0f} µs a step")
    if args.json:
        how = "CUDA graphs" if args.cuda_graph else "eager"
        where = torch.cuda.get_device_name() if args.device == "cuda" else f"CPU, {torch.get_num_threads()} threads"
        name = f"PyTorch {torch.__version__} {how} ({where})"
        print(json.dumps(dict(name=name, throughput=throughput)))
    for epoch in range(args.epochs):
        for batch in torch.randperm(len(peer.train_x), device=peer.device).split(args.train[0]):
            peer.train(batch)
        print(f"epoch {epoch + 1}: test accuracy {100 * peer.accuracy():.2f} %")


main()

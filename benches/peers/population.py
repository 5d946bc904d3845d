#!/usr/bin/env python3
"""Trains several LeNet-5s with PyTorch at the same time, with the network, loss, optimizer and data of `lenet-gpu bench
--population`: one after the other in a loop, and together with torch.func.vmap.

In the loop every step of every model is a step of its own. With vmap, the parameters of all models are stacked, and a step
of all of them is one forward and backward pass over stacked batches and one step of Adam. The models have other initial
weights and other orders of the images. On a GPU both are also captured as CUDA graphs, and TF32 is off, because the kernels
to compare with do not use it. Prints models/s as a Markdown table; a model is 1.75 epochs of 60,000 images, without
evaluations, as for `lenet-gpu bench`.

    benches/peers/population.py --population 1,4,16
    benches/peers/population.py --device cuda --population 1,4,16,64,256 --json population.json
"""

import argparse
import json
import sys
import time
from pathlib import Path

import torch
import torch.nn.functional as F
from pytorch import LeNet5, images, labels, numbers
from torch.func import functional_call, stack_module_state, vmap

# The images of a model: the 1.75 epochs of the preset mnist-fast.
MODEL_IMAGES = 105_000

# Untimed steps, during which PyTorch tunes and allocates.
WARM_UP = 10


def adam(parameters, graphed):
    return torch.optim.Adam(parameters, lr=1e-3, fused=True, capturable=graphed)


def loop(data, models, batch, graphed):
    """Returns a function that trains so many steps of each model, one model after the other."""
    x, y = data
    steps = []
    for model in models:
        if x.device.type == "cpu":
            model.to(memory_format=torch.channels_last)  # faster
        optimizer = adam(model.parameters(), graphed)

        def step(indices, model=model, optimizer=optimizer):
            optimizer.zero_grad(set_to_none=True)
            F.cross_entropy(model(x[indices]), y[indices]).backward()
            optimizer.step()

        steps.append(captured(step, torch.arange(batch, device=x.device), optimizer) if graphed else step)

    def train(count):
        for step in steps:
            for indices in batches(x, batch, count):
                step(indices)

    return train


def together(data, models, batch, graphed):
    """Returns a function that trains so many steps of all models, each step of all of them at once."""
    x, y = data
    parameters, _ = stack_module_state(models)
    skeleton = LeNet5().to("meta")
    optimizer = adam(parameters.values(), graphed)

    def loss(parameters, x, y):
        return F.cross_entropy(functional_call(skeleton, parameters, (x,)), y)

    def step(indices):
        optimizer.zero_grad(set_to_none=True)
        # The gradient of the sum, with respect to the stacked parameters, is the gradient of each model.
        vmap(loss)(parameters, x[indices], y[indices]).sum().backward()
        optimizer.step()

    if graphed:
        step = captured(step, torch.arange(batch, device=x.device).repeat(len(models), 1), optimizer)

    def train(count):
        for indices in zip(*(batches(x, batch, count) for _ in models)):
            step(torch.stack(indices))

    return train


def batches(x, batch, count):
    """Yields the indices of `count` whole batches, in a new random order each epoch."""
    while count > 0:
        for indices in torch.randperm(len(x), device=x.device)[: len(x) // batch * batch].split(batch)[:count]:
            yield indices
            count -= 1


def captured(step, indices, optimizer):
    """Captures `step` as a CUDA graph for indices of this shape."""
    # PyTorch requires a warm-up on a separate stream before a capture.
    stream = torch.cuda.Stream()
    stream.wait_stream(torch.cuda.current_stream())
    with torch.cuda.stream(stream):
        for _ in range(3):
            step(indices)
    torch.cuda.current_stream().wait_stream(stream)
    optimizer.zero_grad(set_to_none=True)
    graph = torch.cuda.CUDAGraph()
    with torch.cuda.graph(graph):
        step(indices)

    def replay(next_indices):
        indices.copy_(next_indices)
        graph.replay()

    return replay


def seconds_per_step(train, seconds, wait):
    """Seconds for a step of every model, measured over about `seconds`."""

    def timed(count):
        wait()
        started = time.perf_counter()
        train(count)
        wait()
        return time.perf_counter() - started

    timed(WARM_UP)
    # Double the number of steps until they take that long; clock rates rise meanwhile.
    count = 1
    while (took := timed(count)) < seconds:
        count *= 2
    count = max(round(seconds / took * count), 1)
    return timed(count) / count


def table(populations, results):
    """Yields the lines of a Markdown table of models/s."""
    yield "| models | " + " | ".join(f"{program['name']}, models/s" for program in results) + " |"
    yield "|---" * (1 + len(results)) + "|"
    for population in populations:
        rates = ({row["population"]: row["models_per_second"] for row in program["populations"]} for program in results)
        cells = (f"{rate[population]:.3g}" if population in rate else "–" for rate in rates)
        yield f"| {population} | " + " | ".join(cells) + " |"


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--population", type=numbers, default=[16], metavar="N,N", help="numbers of models")
    parser.add_argument("--batch", type=int, default=64, metavar="N", help="batch size")
    parser.add_argument("--seconds", type=float, default=2, metavar="N", help="seconds per figure, after a warm-up of the same length")
    parser.add_argument("--largest-loop", type=int, default=16, metavar="N", help="largest number of models that are also trained in a loop, whose models/s do not depend on it")
    parser.add_argument("--device", choices=["cpu", "cuda"], default="cpu")
    parser.add_argument("--threads", type=int, default=None, metavar="N", help="CPU threads [default: PyTorch's choice]")
    parser.add_argument("--seed", type=int, default=0, metavar="N")
    parser.add_argument("--json", type=Path, metavar="FILE", help="also write the figures to this file")
    args = parser.parse_args()
    if args.device == "cuda" and not torch.cuda.is_available():
        parser.error("--device cuda: PyTorch cannot find a GPU")
    if args.threads:
        torch.set_num_threads(args.threads)
    torch.manual_seed(args.seed)
    torch.backends.cuda.matmul.allow_tf32 = torch.backends.cudnn.allow_tf32 = False
    torch.backends.cudnn.benchmark = True

    device, wait = torch.device(args.device), lambda: None
    hardware = f"CPU, {torch.get_num_threads()} threads"
    if args.device == "cuda":
        wait, hardware = torch.cuda.synchronize, torch.cuda.get_device_name()
    data = (images("train-images-idx3-ubyte").to(device), labels("train-labels-idx1-ubyte").to(device))
    results = []
    for way, training in [("loop", loop), ("vmap", together)]:
        for graphed in [False, True][: 1 + (args.device == "cuda")]:
            mode = f"{way}, CUDA graphs" if graphed else f"{way}, eager"
            rows = []
            for population in args.population:
                if training is loop and population > args.largest_loop:
                    continue
                models = [LeNet5().to(device) for _ in range(population)]
                step = seconds_per_step(training(data, models, args.batch, graphed), args.seconds, wait)
                rate = population * args.batch / step
                rows.append(
                    dict(
                        population=population,
                        batch=args.batch,
                        models_per_second=rate / MODEL_IMAGES,
                        images_per_second=rate,
                        step_us=1e6 * step,
                    )
                )
                print(f"{mode}, {population} models: {rate / MODEL_IMAGES:.3g} models/s", file=sys.stderr)
            results.append(dict(name=f"PyTorch {torch.__version__} {mode} ({hardware})", populations=rows))
    print("\n".join(table(args.population, results)))
    if args.json:
        args.json.write_text(json.dumps(results, indent=2) + "\n")


if __name__ == "__main__":
    main()

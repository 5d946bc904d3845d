#!/usr/bin/env python3
"""Reads event files with the `tensorboard` package and compares them with the files of the run.

    tests/peers/event_files.py [PROGRAM]

Trains small runs with PROGRAM, one of which repeats an epoch as after a kill, and checks scalars, images, histograms, text
and hyper-parameters. Fails with the first difference.
"""

import contextlib
import io
import json
import shutil
import signal
import struct
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
from tensorboard import context
from tensorboard.backend.event_processing import data_provider, plugin_event_multiplexer
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
from tensorboard.plugins import base_plugin
from tensorboard.plugins.hparams import api_pb2, backend_context, list_session_groups

PROGRAM = Path(sys.argv[1] if len(sys.argv) > 1 else "target/release/lenet-gpu").resolve()
BATCH, IMAGES = 64, 1_280


def command_line(*options):
    limits = ["--limit-train", str(IMAGES), "--limit-test", "200"]
    return [PROGRAM, "train", "--backend", "cpu", *limits, "-q", *options]


def train(run, *options):
    folder = [] if "--resume" in options else ["--run-dir", run]
    subprocess.run([*command_line(*options), *folder], check=True, stdout=subprocess.DEVNULL)


def read(folder):
    everything = dict.fromkeys(["scalars", "images", "histograms", "tensors"], 0)
    events = EventAccumulator(str(folder), size_guidance=everything)
    events.Reload()
    return events


def equal(what, found, expected):
    assert found == expected, f"{what}: {found} instead of {expected}"


def weights(run):
    """The tensors of a safetensors file."""
    data = (run / "model.safetensors").read_bytes()
    (length,) = struct.unpack("<Q", data[:8])
    header, data = json.loads(data[8 : 8 + length]), data[8 + length :]
    header.pop("__metadata__", None)
    ranges = {name: tensor["data_offsets"] for name, tensor in header.items()}
    return {name: np.frombuffer(data[start:end], "<f4") for name, (start, end) in ranges.items()}


SCALARS = {
    "loss/train": "train_loss",
    "loss/validation": "validation_loss",
    "loss/test": "test_loss",
    "accuracy/train": "train_accuracy",
    "accuracy/validation": "validation_accuracy",
    "accuracy/test": "test_accuracy",
    "learning_rate": "lr",
    "images_per_second": "images_per_second",
    "epoch": "epoch",
}


def check(run, is_complete=True):
    """Compares the events of a run with its metrics and its model."""
    events, tensors = read(run), weights(run)
    records = [json.loads(line) for line in (run / "metrics.jsonl").read_text().splitlines()]
    steps = [record["step"] for record in records]
    for tag, name in SCALARS.items():
        if name not in records[0]:
            assert tag not in events.Tags()["scalars"], tag
            continue
        found = [(event.step, event.value) for event in events.Scalars(tag)]
        expected = [(record["step"], float(np.float32(record[name]))) for record in records]
        equal(f"{run.name}: {tag}", found, expected)

    # The losses within an epoch have its mean: every value is over as many images, except for the last of an epoch.
    losses = [(event.step, event.value) for event in events.Scalars("loss/train_step")]
    found = [step for step, _ in losses]
    equal("steps of the losses", found, list(range(1, len(found) + 1)))
    assert found[-1] >= steps[-1], f"the last loss is of step {found[-1]} of {steps[-1]}"
    images = records[0]["step"] * BATCH
    if images == IMAGES:
        mean = np.mean([value for step, value in losses if step <= steps[0]])
        assert abs(mean - records[0]["train_loss"]) < 1e-5, f"{mean} instead of {records[0]['train_loss']}"

    for image in events.Images("filters/conv1"):
        assert image.encoded_image_string.startswith(b"\x89PNG"), "not a PNG file"
        equal("size of the filters", (image.width, image.height), (536, 96))
    equal("steps of the filters", [image.step for image in events.Images("filters/conv1")], steps)

    for name, tensor in tensors.items():
        histograms = events.Histograms(f"weights/{name}")
        equal(f"steps of {name}", [histogram.step for histogram in histograms], steps)
        last = histograms[-1].histogram_value
        equal(f"values of {name}", (last.num, sum(last.bucket)), (tensor.size, tensor.size))
        if is_complete:
            # Otherwise the model has been trained for some steps more.
            equal(f"limits of {name}", (last.min, last.max), (float(tensor.min()), float(tensor.max())))
        if "running" not in name:
            gradient = events.Histograms(f"gradients/{name}")[-1].histogram_value
            equal(f"gradients of {name}", sum(gradient.bucket), tensor.size)
            assert gradient.sum_squares > 0, f"the gradient of {name} is 0"
    text = events.Tensors("config")[-1].tensor_proto.string_val[0].decode()
    assert "    batch-size = 64\n" in text, text


def session_groups(folder):
    multiplexer = plugin_event_multiplexer.EventMultiplexer()
    multiplexer.AddRunsFromDirectory(str(folder))
    multiplexer.Reload()
    provider = data_provider.MultiplexerDataProvider(multiplexer, str(folder))
    hparams = backend_context.Context(base_plugin.TBContext(data_provider=provider))
    statuses = [api_pb2.STATUS_UNKNOWN, api_pb2.STATUS_SUCCESS, api_pb2.STATUS_FAILURE, api_pb2.STATUS_RUNNING]
    request = api_pb2.ListSessionGroupsRequest(allowed_statuses=statuses, slice_size=100)
    found = list_session_groups.Handler(context.RequestContext(), hparams, "", request).run()
    return {group.name: group for group in found.session_groups}


def check_hparams(folder):
    """Checks what the HParams tab shows of the runs in a folder."""
    groups = session_groups(folder)
    values = {name: group.hparams["lr"].number_value for name, group in groups.items()}
    equal("learning rates", values, {"adam": 0.001, "interrupted": 0.001, "repeated": 0.001, "sgd": 0.02})
    equal("momentum", groups["sgd"].hparams["momentum"].number_value, 0.9)
    equal("optimizer", groups["sgd"].hparams["optimizer"].string_value, "sgd")
    equal("batch norm", groups["sgd"].hparams["batch-norm"].bool_value, True)
    for name, group in groups.items():
        # TensorBoard keeps the first status that it reads, and the interrupted run can be resumed.
        status = api_pb2.STATUS_UNKNOWN if name == "interrupted" else api_pb2.STATUS_SUCCESS
        equal(f"status of {name}", group.sessions[0].status, status)
        metrics = {metric.name.tag: metric.value for metric in group.metric_values}
        last = json.loads((folder / name / "metrics.jsonl").read_text().splitlines()[-1])
        equal(f"test accuracy of {name}", metrics["accuracy/test"], float(np.float32(last["test_accuracy"])))


def main():
    folder = Path(tempfile.mkdtemp())
    runs = folder / "runs"
    train(runs / "adam", "--epochs", "2", "--tensorboard")
    check(runs / "adam")
    options = ["--optimizer", "sgd", "--momentum", "0.9", "--lr", "0.02", "--batch-norm", "--validation-split", "0.2"]
    train(runs / "sgd", "--epochs", "2", *options, "--class-weights", "balanced", "--tensorboard")
    check(runs / "sgd")

    interrupted = runs / "interrupted"
    command = [*command_line("--epochs", "1000", "--tensorboard"), "--run-dir", interrupted]
    process = subprocess.Popen(command, stderr=subprocess.DEVNULL)
    metrics = interrupted / "metrics.jsonl"
    while not (metrics.exists() and metrics.read_text()):
        equal("exit code of a run of 1000 epochs", process.poll(), None)
        time.sleep(0.05)
    process.send_signal(signal.SIGINT)
    equal("exit code after Ctrl-C", process.wait(), 130)
    check(interrupted, is_complete=False)

    # A run that is killed once the events of its second epoch are written, but not its checkpoint.
    repeated = runs / "repeated"
    train(repeated, "--epochs", "1", "--tensorboard")
    shutil.copytree(repeated, folder / "before")
    train(repeated, "--resume", repeated, "--epochs", "2")
    for file in repeated.iterdir():
        if not file.name.startswith("events"):
            file.unlink()
    for file in (folder / "before").iterdir():
        if not file.name.startswith("events"):
            shutil.copy(file, repeated)
    train(repeated, "--resume", repeated, "--epochs", "3")
    equal("files", len([file for file in repeated.iterdir() if file.name.startswith("events")]), 3)
    # The package reports that it discards the repeated epoch.
    with contextlib.redirect_stderr(io.StringIO()):
        check(repeated)
        check_hparams(runs)

    train(runs / "elsewhere", "--epochs", "1", "--tensorboard", folder / "events")
    equal("folders", [path.name for path in (folder / "events").iterdir()], ["elsewhere"])
    equal("steps", [event.step for event in read(folder / "events" / "elsewhere").Scalars("loss/test")], [20])
    shutil.rmtree(folder)
    print("TensorBoard shows what the runs recorded")


if __name__ == "__main__":
    main()

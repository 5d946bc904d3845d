"""Starts lenet-gpu for the browser tests."""

import contextlib
import re
import signal
import subprocess
import tempfile
import threading
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
PHOTOS = ROOT / "tests/golden/photos"
QUICK = ("--preset", "mnist-fast", "--limit-train", "20000", "--epochs", "2")


class Program:
    """The program, with a folder of its own to work in."""

    def __init__(self, path):
        self.path = Path(path).resolve()
        if not self.path.exists():
            raise SystemExit(f"error: {path} is missing: run cargo build --release, or name the program with --program")
        self._folder = tempfile.TemporaryDirectory(ignore_cleanup_errors=True)
        self.folder = Path(self._folder.name)

    def train(self, run, *options, quick=QUICK):
        """Trains a model: with `QUICK`, to about 98 % in seconds."""
        command = [self.path, "train", *quick, "--backend", "cpu", "--quiet", "--run-dir", f"runs/{run}", *options]
        subprocess.run(command, cwd=self.folder, check=True, stdout=subprocess.DEVNULL)
        return self.folder / "runs" / run

    def sweep(self, name, *options):
        """Trains members of a few thousand images."""
        command = [self.path, "sweep", *options, "--backend", "cpu", "--quiet", "--run-dir", f"runs/{name}"]
        subprocess.run(command, cwd=self.folder, check=True, stdout=subprocess.DEVNULL)
        return self.folder / "runs" / name

    def serve(self, *options):
        return self.start("serve", "--port", "0", "--backend", "cpu", *options)

    def train_live(self, run, *options):
        """Trains with the live page, for seconds to minutes."""
        return self.start("train", "--serve=0", "--backend", "cpu", "--run-dir", f"runs/{run}", *options)

    @contextlib.contextmanager
    def start(self, *arguments):
        """Runs the program until the `with` block ends, and gives a `Server`."""
        process = subprocess.Popen([self.path, *map(str, arguments)], cwd=self.folder, text=True, stdin=subprocess.DEVNULL,
                                   stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
        server = Server(process)
        try:
            yield server
        finally:
            if process.poll() is None:
                process.send_signal(signal.SIGINT)
                try:
                    process.wait(10)
                except subprocess.TimeoutExpired:
                    process.kill()
                    process.wait()


class Server:
    """A running program. `url` is where its pages are."""

    def __init__(self, process):
        self.process, self.lines = process, []
        threading.Thread(target=self._read, daemon=True).start()
        end = time.monotonic() + 20
        while not (found := re.search(r"http://[\w.:\[\]-]+", self.output())):
            if process.poll() is not None or time.monotonic() > end:
                raise AssertionError(f"the program names no address: {self.output()}")
            time.sleep(0.02)
        self.url = found[0].rstrip("/")

    def _read(self):
        for line in self.process.stdout:
            self.lines.append(line)

    def output(self):
        return "".join(self.lines)

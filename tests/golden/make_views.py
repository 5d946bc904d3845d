"""Compute the expected values of tests/common/views.rs with PyTorch: probabilities averaged over views of images.

Requires torch, safetensors, and ensemble.safetensors with what make_ensemble.py requires. Writes views.safetensors next to
this script. The models are make_ensemble.py's; everything is computed in float64 from the engine's bytes.
"""

import torch
import torch.nn.functional as F
from safetensors.torch import load_file, save_file

from make_ensemble import models
from make_golden import HERE


def shifted(images, down, right):
    """The images moved by whole pixels; uncovered pixels are black."""
    (above, below), (left, beyond) = ((max(by, 0), max(-by, 0)) for by in (down, right))
    height, width = images.shape[2:]
    padded = F.pad(images, (left, beyond, above, below))
    return padded[:, :, below : below + height, beyond : beyond + width]


def views(images, flip, shift):
    """The images, mirrored or not, moved by up to `shift` pixels along each side."""
    for mirrored in [images, images.flip(3)][: 1 + flip]:
        for down in range(-shift, shift + 1):
            for right in range(-shift, shift + 1):
                yield shifted(mirrored, down, right)


@torch.no_grad()
def main():
    images = load_file(HERE / "ensemble.safetensors")["images"]
    networks = list(models())
    out = {}
    for name, flip, shift in [("flip", True, 0), ("shift=1", False, 1), ("flip,shift=2", True, 2)]:
        seen = torch.stack(list(views(images, flip, shift)))
        inputs = (seen.double() / 255 - 0.5) / 0.5
        probabilities = torch.stack(
            [torch.stack([F.softmax(model(view), dim=1) for view in inputs]).mean(0) for model in networks]
        )
        out[f"{name}.logs"] = probabilities.log()
        out[f"{name}.mean_logs"] = probabilities.mean(0).log()
        print(name, len(seen), "views, classes", probabilities.mean(0).argmax(1).tolist())
    save_file({key: value.clone().contiguous() for key, value in out.items()}, HERE / "views.safetensors")


if __name__ == "__main__":
    main()

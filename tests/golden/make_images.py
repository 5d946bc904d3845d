"""Compute the expected images of tests/data/images.rs with PyTorch: augmentation and resizing.

Requires torch and safetensors. Writes images.safetensors next to this script. The steps of an augmentation are
separate here: rotation and scaling by grid_sample, mirroring by flip, shifting by slices.
"""

import math
from pathlib import Path

import torch
import torch.nn.functional as F
from safetensors.torch import save_file

HERE = Path(__file__).parent

# degrees counter-clockwise, factor, mirrored, pixels down, pixels to the right
TRANSFORMS = [
    (90, 1, False, 0, 0),
    (17.25, 1.25, True, 2, -3),
    (-40, 0.7, False, -4, 1),
    (0, 1, True, -2, 3),
    (180, 1.5, True, 0, 5),
]


# Zeros on each side of 32×32, so that nothing is cut off before an image is shifted.
MARGIN = 32


def rotated(x, degrees, factor):
    """x rotated about its centre and enlarged."""
    cos, sin = math.cos(math.radians(degrees)) / factor, math.sin(math.radians(degrees)) / factor
    # From a position in the result to its position in x, as (x, y) with y downwards.
    theta = torch.tensor([[[cos, -sin, 0], [sin, cos, 0]]], dtype=torch.float64)
    grid = F.affine_grid(theta, x.shape, align_corners=True)
    return F.grid_sample(x, grid, mode="bilinear", padding_mode="zeros", align_corners=True)


def shifted(x, down, right):
    """The shifted centre of x."""
    return x[..., MARGIN - down : MARGIN + 32 - down, MARGIN - right : MARGIN + 32 - right]


def augmented(image, degrees, factor, mirrored, down, right):
    margin = (32 - image.shape[-1]) // 2 + MARGIN
    x = F.pad(image.double().unsqueeze(0), (margin,) * 4)
    x = rotated(x, degrees, factor)
    if mirrored:
        x = x.flip(-1)
    return (shifted(x, down, right) / 255 - 0.5) / 0.5


def resized(image):
    x = image.double().unsqueeze(0)
    # Antialiasing has no effect when images are enlarged.
    return F.interpolate(x, (32, 32), mode="bilinear", align_corners=False, antialias=True)


def check_directions():
    x = torch.rand(1, 1, 32, 32, dtype=torch.float64)
    assert torch.allclose(rotated(x, 90, 1), torch.rot90(x, 1, (2, 3)))
    wide = F.pad(x, (MARGIN,) * 4)
    assert torch.equal(shifted(wide, 1, 0)[..., 1:, :], x[..., :-1, :])
    assert torch.equal(shifted(wide, 0, 1)[..., 1:], x[..., :-1])
    larger = F.interpolate(x, (48, 48), mode="bilinear", align_corners=False)
    assert torch.allclose(larger, F.interpolate(x, (48, 48), mode="bilinear", align_corners=False, antialias=True))


def main():
    torch.manual_seed(0)
    out = {}

    def images(name, count, channels, height, width):
        values = torch.randint(0, 256, (count, channels, height, width), dtype=torch.uint8)
        out[name] = values
        return values

    out["transforms"] = torch.tensor(TRANSFORMS, dtype=torch.float64)
    for name, channels, side in [("grey", 1, 28), ("colour", 3, 32)]:
        values = images(f"{name}.images", len(TRANSFORMS), channels, side, side)
        seen = [augmented(image, *transform) for image, transform in zip(values, TRANSFORMS)]
        out[f"{name}.augmented"] = torch.cat(seen).float()

    for name, height, width in [("larger", 28, 28), ("smaller", 48, 100), ("both", 20, 64)]:
        values = images(f"{name}.images", 2, 1, height, width)
        out[f"{name}.resized"] = torch.cat([resized(image) for image in values]).float()

    save_file({key: value.contiguous() for key, value in out.items()}, HERE / "images.safetensors")


if __name__ == "__main__":
    check_directions()
    main()

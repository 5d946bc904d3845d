"""Makes the images that tests/images.rs holds augmentation and resizing against, with PyTorch.

Run it in this folder with torch and safetensors installed; it writes images.safetensors next to itself.
Each step of an augmentation is done by itself, as its name says: turned and scaled by grid_sample,
mirrored by flip, moved by slices.
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


# Zeros on each side of 32×32, so that nothing is lost before an image is moved.
ROOM = 32


def turned(x, degrees, factor):
    """x turned about its centre and made larger."""
    cos, sin = math.cos(math.radians(degrees)) / factor, math.sin(math.radians(degrees)) / factor
    # From a place to where it comes from, as (x, y) with y downwards.
    theta = torch.tensor([[[cos, -sin, 0], [sin, cos, 0]]], dtype=torch.float64)
    grid = F.affine_grid(theta, x.shape, align_corners=True)
    return F.grid_sample(x, grid, mode="bilinear", padding_mode="zeros", align_corners=True)


def moved(x, down, right):
    """The middle of x, moved."""
    return x[..., ROOM - down : ROOM + 32 - down, ROOM - right : ROOM + 32 - right]


def augmented(image, degrees, factor, mirrored, down, right):
    margin = (32 - image.shape[-1]) // 2 + ROOM
    x = F.pad(image.double().unsqueeze(0), (margin,) * 4)
    x = turned(x, degrees, factor)
    if mirrored:
        x = x.flip(-1)
    return (moved(x, down, right) / 255 - 0.5) / 0.5


def resized(image):
    x = image.double().unsqueeze(0)
    # Without an effect where images become larger.
    return F.interpolate(x, (32, 32), mode="bilinear", align_corners=False, antialias=True)


def check_directions():
    x = torch.rand(1, 1, 32, 32, dtype=torch.float64)
    assert torch.allclose(turned(x, 90, 1), torch.rot90(x, 1, (2, 3)))
    wide = F.pad(x, (ROOM,) * 4)
    assert torch.equal(moved(wide, 1, 0)[..., 1:, :], x[..., :-1, :])
    assert torch.equal(moved(wide, 0, 1)[..., 1:], x[..., :-1])
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

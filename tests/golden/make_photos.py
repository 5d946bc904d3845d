"""Generate photos/: the ten digits in three fonts, as in photographs of 400×300 pixels.

Each image shows dark ink on light paper, off centre and slightly rotated, lit from one side, with noise, specks of dust
and JPEG artefacts. Run `python make_photos.py COMIC_NEUE_BOLD.otf`. Requires Pillow and numpy; the other two fonts are
found by name (Debian packages: fonts-dejavu-core, fonts-comic-neue).
"""

import sys
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw, ImageFilter, ImageFont

WIDTH, HEIGHT = 400, 300
FONTS = {"sans": "DejaVuSans.ttf", "serif": "DejaVuSerif.ttf", "comic": sys.argv[1]}
NOISE = 7.0  # standard deviation, on a scale of 0 to 255
QUALITY = 75

folder = Path(__file__).with_name("photos")
folder.mkdir(exist_ok=True)


def photo(font: str, digit: int, rng: np.random.Generator) -> Image.Image:
    # Ink coverage of each pixel. The whole digit is visible and off centre.
    size = int(rng.integers(90, 180))
    letter = Image.new("L", (2 * size, 2 * size), 0)
    face = ImageFont.truetype(font, size)
    ImageDraw.Draw(letter).text((size, size), str(digit), 255, font=face, anchor="mm")
    letter = letter.rotate(float(rng.uniform(-8, 8)), Image.Resampling.BICUBIC)
    letter = letter.crop(letter.getbbox())
    room = WIDTH - letter.width, HEIGHT - letter.height
    while True:
        x, y = (int(rng.integers(10, side - 10)) for side in room)
        if abs(x - room[0] / 2) > 0.2 * room[0] or abs(y - room[1] / 2) > 0.2 * room[1]:
            break
    ink = Image.new("L", (WIDTH, HEIGHT), 0)
    ink.paste(letter, (x, y))
    dust = ImageDraw.Draw(ink)
    for _ in range(25):
        x, y = rng.integers(0, WIDTH), rng.integers(0, HEIGHT)
        radius = rng.uniform(0.5, 1.8)
        dust.ellipse((x - radius, y - radius, x + radius, y + radius), fill=int(rng.integers(60, 256)))
    covered = np.asarray(ink.filter(ImageFilter.GaussianBlur(1.2)), float)[..., None] / 255

    # The paper is darker towards one side and the corners; paper and ink are tinted.
    right, down = np.meshgrid(np.linspace(-1, 1, WIDTH), np.linspace(-1, 1, HEIGHT))
    angle = rng.uniform(0, 2 * np.pi)
    light = 1 - 0.15 * (right * np.cos(angle) + down * np.sin(angle)) - 0.08 * (right**2 + down**2)
    paper = rng.uniform(185, 230) * np.array([1.0, 0.98, 0.92]) * light[..., None]
    pen = rng.uniform(20, 90) + np.array([0.0, 5.0, rng.uniform(0, 60)])
    picture = paper * (1 - covered) + pen * covered + rng.normal(0, NOISE, (HEIGHT, WIDTH, 1))
    return Image.fromarray(np.clip(picture, 0, 255).round().astype(np.uint8))


for index, (name, font) in enumerate(FONTS.items()):
    for digit in range(10):
        rng = np.random.default_rng([index, digit])
        photo(font, digit, rng).save(folder / f"{name}-{digit}.jpg", quality=QUALITY, optimize=True)

"""Small images in every format, and PNG files of what they show. Run with Pillow: python3 tests/golden/make_formats.py"""

from pathlib import Path

from PIL import Image, ImageOps

FOLDER = Path(__file__).parent / "formats"
WIDTH, HEIGHT = 24, 16


def picture(shift=0):
    """A gradient with a dark bar, which has no symmetry."""
    image = Image.new("RGB", (WIDTH, HEIGHT))
    for y in range(HEIGHT):
        for x in range(WIDTH):
            bar = 4 <= x - shift < 8 and y < 11
            image.putpixel((x, y), (20, 10, 40) if bar else (5 * x + 60, 9 * y + 70, 200 - 3 * x - 4 * y))
    return image


COLOUR, SECOND = picture(), picture(9)
GREY = COLOUR.convert("L")
ALPHA = COLOUR.convert("RGBA")
ALPHA.putalpha(Image.linear_gradient("L").resize((WIDTH, HEIGHT)))
HOLES = COLOUR.quantize(16)
HOLES.paste(3, (2, 2, 9, 9))
FRAMES = {"save_all": True, "append_images": [SECOND]}
ON_ITS_SIDE = Image.Exif()
ON_ITS_SIDE[0x0112] = 6


def write(name, image, shown=None, **options):
    """Writes an image, and what Pillow reads from it (or `shown`), on white and upright, as a PNG."""
    path = FOLDER / name
    image.save(path, **options)
    if shown is None:
        shown = Image.open(path)
    shown = ImageOps.exif_transpose(shown)
    if shown.mode in ("P", "RGBA", "LA", "PA"):
        rgba = shown.convert("RGBA")
        shown = Image.alpha_composite(Image.new("RGBA", rgba.size, "white"), rgba).convert("RGB")
    if shown.mode == "I;16":
        shown = Image.frombytes("L", shown.size, bytes(round(value / 257) for value in shown.getdata()))
    if shown.mode not in ("L", "RGB"):
        shown = shown.convert("L" if shown.mode == "1" else "RGB")
    # WebP, BMP and GIF cannot store greyscale.
    if path.suffix != ".tif" and shown.mode == "RGB" and all(len(set(pixel)) == 1 for _, pixel in shown.getcolors(1 << 16)):
        shown = shown.convert("L")
    shown.save(FOLDER / f"{name}.png")


FOLDER.mkdir(exist_ok=True)
write("lossy.webp", COLOUR, quality=90)
write("lossy-alpha.webp", ALPHA, quality=90)
write("lossless.webp", COLOUR, lossless=True)
write("lossless-alpha.webp", ALPHA, lossless=True, exact=True)
write("grey.webp", GREY, lossless=True)
write("palette.webp", HOLES.convert("RGB"), lossless=True)
write("turned.webp", COLOUR, lossless=True, exif=ON_ITS_SIDE)
write("animated-lossy.webp", COLOUR, **FRAMES, quality=90)
write("animated-lossless.webp", COLOUR, **FRAMES, lossless=True)
write("animated-alpha.webp", ALPHA, **FRAMES, quality=90)
write("colour.bmp", COLOUR)
write("grey.bmp", GREY)
write("bits.bmp", GREY.convert("1"))
write("palette.bmp", COLOUR.quantize(16))
write("colour.gif", COLOUR)
write("grey.gif", GREY)
write("interlaced.gif", GREY, interlace=True)
write("plain.gif", GREY, interlace=False)
write("holes.gif", HOLES, transparency=3)
write("animated.gif", COLOUR, **FRAMES)
write("colour.tif", COLOUR)
write("grey.tif", GREY)
write("wide.tif", Image.frombytes("I;16", (WIDTH, HEIGHT), bytes(v % 256 for v in range(2 * WIDTH * HEIGHT))))
write("bits.tif", GREY.convert("1"))
write("fax.tif", GREY.convert("1"), compression="group4")
write("lzw.tif", COLOUR, compression="tiff_lzw")
write("deflate.tif", COLOUR, compression="tiff_adobe_deflate")
write("packbits.tif", COLOUR, compression="packbits")
write("big.tif", COLOUR, big_tiff=True)
write("alpha.tif", ALPHA)
write("cmyk.tif", Image.merge("CMYK", [Image.new("L", GREY.size)] * 3 + [GREY]))
write("turned.tif", COLOUR, exif=ON_ITS_SIDE)
write("pages.tif", COLOUR, **FRAMES)
for name, image, options in [
    ("palette.tif", COLOUR.quantize(16), {}),
    ("jpeg.tif", COLOUR, {"compression": "jpeg"}),
]:
    image.save(FOLDER / f"unsupported-{name}", **options)
Image.new("RGB", (3000, 3000), (90, 120, 30)).save(FOLDER / "large.webp", quality=50, method=6)

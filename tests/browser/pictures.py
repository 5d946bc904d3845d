"""Takes the pictures of the pages for the documentation."""

import base64
import json
import struct
import zlib

from browser import Browser
from strokes import SEVEN, placed

PHONE = {"width": 390, "height": 844, "phone": True}
WIDE = {"width": 1280, "height": 800}

# Reduces a picture to 256 colours: halves the group of colours that differ most until there are 256 groups, each of which
# takes its most frequent colour. Gives the sides, the palette, and the index of each pixel.
REDUCE = """(async (png) => {
  const bitmap = await createImageBitmap(new Blob([Uint8Array.from(atob(png), (letter) => letter.charCodeAt(0))]));
  const { width, height } = bitmap;
  const context = new OffscreenCanvas(width, height).getContext("2d");
  context.drawImage(bitmap, 0, 0);
  const pixels = new Uint32Array(context.getImageData(0, 0, width, height).data.buffer);
  const counts = new Map();
  for (const pixel of pixels) counts.set(pixel, (counts.get(pixel) ?? 0) + 1);
  const level = (colour, channel) => (colour >> (8 * channel)) & 255;
  const group = (colours) => {
    const ranges = [0, 1, 2].map((channel) => {
      const levels = colours.map((colour) => level(colour, channel));
      const [low, high] = levels.reduce(([low, high], value) => [Math.min(low, value), Math.max(high, value)], [255, 0]);
      return { channel, spread: high - low, middle: (low + high) / 2 };
    });
    return { colours, ...ranges.reduce((a, b) => (b.spread > a.spread ? b : a)) };
  };
  const groups = [group([...counts.keys()])];
  while (groups.length < 256) {
    groups.sort((a, b) => a.spread - b.spread);
    const { colours, channel, spread, middle } = groups.pop();
    for (const isHigh of spread ? [false, true] : []) groups.push(group(colours.filter((colour) => level(colour, channel) > middle === isHigh)));
    if (!spread) { groups.push(group(colours)); break; }
  }
  const palette = [], index = new Map();
  groups.forEach(({ colours }, i) => {
    const common = colours.reduce((a, b) => (counts.get(b) > counts.get(a) ? b : a));
    palette.push(...[0, 1, 2].map((channel) => level(common, channel)));
    for (const colour of colours) index.set(colour, i);
  });
  let indices = "";
  for (const pixel of pixels) indices += String.fromCharCode(index.get(pixel));
  return [width, height, palette, btoa(indices)];
})"""


def save(page, path, whole=False):
    """Saves what a page shows as a PNG file with a palette, a third of the size that the browser's own has."""
    width, height, palette, indices = page.run(f"{REDUCE}({json.dumps(page.screenshot(whole))})")
    pixels = base64.b64decode(indices)
    rows = b"".join(b"\0" + pixels[y * width:(y + 1) * width] for y in range(height))
    chunks = [(b"IHDR", struct.pack(">IIBBBBB", width, height, 8, 3, 0, 0, 0)), (b"PLTE", bytes(palette)),
              (b"IDAT", zlib.compress(rows, 9)), (b"IEND", b"")]
    path.write_bytes(b"\x89PNG\r\n\x1a\n" + b"".join(
        struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data)) for kind, data in chunks))


def make(program, folder):
    """Saves the pictures in a folder."""
    folder.mkdir(parents=True, exist_ok=True)
    run = program.train("mnist", quick=("--preset", "mnist-fast"))
    with Browser() as browser:
        with program.serve(run) as server:
            for name, options in {"draw-light": WIDE, "draw-dark": WIDE | {"dark": True}, "draw-phone": PHONE | {"dark": True}}.items():
                with browser.page(**options) as page:
                    page.open(server.url)
                    page.wait("document.getElementById('device').textContent")
                    (page.touch if "phone" in name else page.draw)("#surface", placed(SEVEN, 0, -0.08, 1, 1))
                    page.wait("document.getElementById('spoken').textContent.startsWith('7')")
                    page.run("document.activeElement.blur()")
                    save(page, folder / f"{name}.png", whole="phone" not in name)
        with program.train_live("live", "--preset", "mnist-fast", "--epochs", "12") as server:
            for name, options in {"live-light": WIDE, "live-dark": WIDE | {"dark": True}}.items():
                with browser.page(**options) as page:
                    page.open(f"{server.url}/live")
                    page.wait("document.querySelectorAll('#epochs-body tr').length >= 4", patience=300)
                    save(page, folder / f"{name}.png", whole=True)
        sweep = program.sweep("lr-and-shift", "--preset", "mnist-fast", "--limit-train", "12000", "--validation-split", "0.1", "--vary",
                              "lr=1e-3,3e-3,1e-2,3e-2", "--vary", "shift=0,1,2", "--vary", "batch-size=32,64,128", "--vary", "seed=0..2")
        with browser.page(width=1280, height=2110) as page:
            page.open((sweep / "report.html").as_uri())
            page.run("document.getElementById('settings').remove()")  # a long table, of which the picture would show nothing else
            save(page, folder / "sweep.png")
        report = run / "report.html"
        for name, options in {"report-light": WIDE, "report-dark": WIDE | {"dark": True}, "report-phone": PHONE}.items():
            with browser.page(**options) as page:
                page.open(report.as_uri())
                save(page, folder / f"{name}.png")

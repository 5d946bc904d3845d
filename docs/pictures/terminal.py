#!/usr/bin/env python3
"""Draws what a terminal shows while a command runs, as an SVG.

    pip install pyte
    python docs/pictures/terminal.py --after 14 --columns 80 --rows 24 -o docs/pictures/live-view.svg -- \
        target/release/lenet-gpu train --backend cpu --epochs 10 --validation-split 0.1 --run-dir /tmp/run

The command runs on a pseudo-terminal. The picture shows the screen at the end of the first frame after `--after` seconds, or
with `--until TEXT` after the screen has that text. The command is then interrupted (Ctrl-C).

Braille dots and lines are drawn as shapes, and each run of text has a fixed length, so the picture does not depend on the
viewer's fonts.
"""
import argparse
import fcntl
import os
import pty
import select
import signal
import struct
import termios
import time
from xml.sax.saxutils import escape

import pyte

CELL, LINE, MARGIN, BAR = 8.4, 18, 16, 30
SIZE = 14
BACKGROUND, FRAME, FOREGROUND, DIM = "#12161d", "#2b3240", "#d7dde6", "#768294"
COLORS = {
    "red": "#ff7b72", "green": "#7ee787", "brown": "#e3b341", "blue": "#79c0ff", "magenta": "#e2a0ff", "cyan": "#56d4dd",
    "brightred": "#ff7b72", "brightgreen": "#7ee787", "brightbrown": "#e3b341", "brightcyan": "#56d4dd",
}
# The strokes of a box-drawing character: left, right, up, down.
BOXES = {"│": "0011", "┤": "1011"}


class Screen(pyte.Screen):
    """A screen that supports faint text, which pyte ignores: it is stored as blinking."""

    def select_graphic_rendition(self, *codes, **options):
        super().select_graphic_rendition(*(5 if code == 2 else code for code in codes), **options)


def record(command, columns, rows, after, until):
    """The screen while the command runs."""
    screen = Screen(columns, rows)
    stream = pyte.ByteStream(screen)
    child, terminal = pty.fork()
    if child == 0:
        os.environ.update(TERM="xterm-256color", LANG="C.UTF-8")
        for name in ("NO_COLOR", "LC_ALL", "CLICOLOR"):
            os.environ.pop(name, None)
        os.execvp(command[0], command)
    fcntl.ioctl(terminal, termios.TIOCSWINSZ, struct.pack("HHHH", rows, columns, 0, 0))
    begun, picture = time.monotonic(), None
    while True:
        if not select.select([terminal], [], [], 60)[0]:
            break
        try:
            data = os.read(terminal, 1 << 16)
        except OSError:
            break
        if not data:
            break
        stream.feed(data)
        is_due = until in "\n".join(screen.display) if until else time.monotonic() - begun >= after
        # A frame erases the rest of each of its lines, and ends by erasing the lines below it.
        if picture is None and is_due and data.endswith(b"\x1b[J") and data.count(b"\x1b[K") > 1:
            picture = [[screen.buffer[y][x] for x in range(columns)] for y in range(rows)]
            os.kill(child, signal.SIGINT)
    os.waitpid(child, 0)
    if picture is None:
        raise SystemExit("the command ended before the picture was taken")
    while picture and all(cell.data == " " for cell in picture[-1]):
        picture.pop()
    return picture


def color(cell):
    return DIM if cell.blink else COLORS.get(cell.fg, FOREGROUND)


def shapes(symbol, x, y, stroke):
    """The shapes of a Braille or box-drawing character in the cell at (x, y), or None for other characters."""
    if "\u2801" <= symbol <= "\u28ff":
        bits = ord(symbol) - 0x2800
        places = [(0, 0), (0, 1), (0, 2), (1, 0), (1, 1), (1, 2), (0, 3), (1, 3)]
        dots = [place for bit, place in enumerate(places) if bits >> bit & 1]
        return [
            f'<circle cx="{x + CELL * (0.25 + 0.5 * column):.1f}" cy="{y + LINE * (0.125 + 0.25 * row):.1f}" r="1.25" fill="{stroke}"/>'
            for column, row in dots
        ]
    if symbol in BOXES:
        middle, center = x + CELL / 2, y + LINE / 2
        ends = [(x, center), (x + CELL, center), (middle, y), (middle, y + LINE)]
        return [
            f'<path d="M{middle:.1f} {center:.1f}L{a:.1f} {b:.1f}" stroke="{stroke}" stroke-width="1"/>'
            for (a, b), is_drawn in zip(ends, BOXES[symbol])
            if is_drawn == "1"
        ]
    return None


def row_to_svg(cells, y):
    parts, column = [], 0
    while column < len(cells):
        cell = cells[column]
        x = MARGIN + column * CELL
        rule = column
        while rule < len(cells) and cell.data in "─━" and cells[rule].data == cell.data and color(cells[rule]) == color(cell):
            rule += 1
        if rule > column:
            parts.append(
                f'<path d="M{x:.1f} {y + LINE / 2:.1f}h{CELL * (rule - column):.1f}" stroke="{color(cell)}" '
                f'stroke-width="{3 if cell.data == "━" else 1}"/>'
            )
            column = rule
            continue
        drawn = shapes(cell.data, x, y, color(cell))
        if drawn is not None:
            parts += drawn
            column += 1
            continue
        if cell.data == " ":
            column += 1
            continue
        end = column
        style = (color(cell), cell.bold)
        # A run of text in one style continues across single spaces.
        while end < len(cells) and shapes(cells[end].data, 0, 0, "") is None:
            is_gap = cells[end].data == " "
            if not is_gap and (color(cells[end]), cells[end].bold) != style:
                break
            if is_gap and (end + 1 >= len(cells) or cells[end + 1].data == " "):
                break
            end += 1
        text = "".join(cell.data for cell in cells[column:end]).rstrip()
        weight = ' font-weight="bold"' if cell.bold else ""
        parts.append(
            f'<text x="{x:.1f}" y="{y + LINE * 0.74:.1f}" fill="{style[0]}"{weight} textLength="{len(text) * CELL:.1f}" '
            f'lengthAdjust="spacingAndGlyphs" xml:space="preserve">{escape(text)}</text>'
        )
        column = max(end, column + 1)
    return parts


def to_svg(rows, title):
    width = 2 * MARGIN + CELL * len(rows[0])
    height = BAR + 2 * MARGIN + LINE * len(rows)
    body = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width:.0f} {height:.0f}" width="{width:.0f}" height="{height:.0f}" '
        f'role="img" font-family="ui-monospace, SFMono-Regular, Menlo, Consolas, monospace" font-size="{SIZE}">',
        f"<title>{escape(title)}</title>",
        f'<rect width="{width:.0f}" height="{height:.0f}" rx="10" fill="{BACKGROUND}"/>',
        f'<path d="M0 {BAR}V10a10 10 0 0 1 10-10H{width - 10:.0f}a10 10 0 0 1 10 10V{BAR}Z" fill="{FRAME}"/>',
    ]
    body += [f'<circle cx="{20 + 20 * index}" cy="{BAR / 2}" r="6" fill="{dot}"/>' for index, dot in enumerate(("#ff5f57", "#febc2e", "#28c840"))]
    for index, cells in enumerate(rows):
        body += row_to_svg(cells, BAR + MARGIN + LINE * index)
    return "\n".join(body) + "\n</svg>\n"


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--columns", type=int, default=80)
    parser.add_argument("--rows", type=int, default=24)
    parser.add_argument("--after", type=float, default=5, metavar="SECONDS")
    parser.add_argument("--until", metavar="TEXT")
    parser.add_argument("--title", default="Training in a terminal", help="the alternative text")
    parser.add_argument("-o", "--output", required=True)
    parser.add_argument("command", nargs="+")
    arguments = parser.parse_args()
    rows = record(arguments.command, arguments.columns, arguments.rows, arguments.after, arguments.until)
    with open(arguments.output, "w", encoding="utf-8") as file:
        file.write(to_svg(rows, arguments.title))


if __name__ == "__main__":
    main()

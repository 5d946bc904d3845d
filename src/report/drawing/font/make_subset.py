"""Make regular.ttf and bold.ttf from Liberation Sans: `python make_subset.py FOLDER`, where FOLDER contains
LiberationSans-Regular.ttf and LiberationSans-Bold.ttf. Needs fonttools."""

import sys
from pathlib import Path

from fontTools.subset import Options, Subsetter
from fontTools.ttLib import TTFont

CHARACTERS = (
    "".join(map(chr, [*range(0x20, 0x7F), *range(0xA0, 0x100)]))  # ASCII and Latin-1
    + "‐‑‒–—‘’‚“”„†•…‰′″←↑→↓−√∞≈≠≤≥�"
    + "αβγδεζηθικλμνξοπρςστυφχψωΓΔΘΛΞΠΣΦΨΩ"
)
# The licence reserves the original's font names.
NAME = "LeNet Figure"
COPYRIGHT, FAMILY, STYLE, FULL_NAME, POSTSCRIPT_NAME, LICENCE, LICENCE_URL = 0, 1, 2, 4, 6, 13, 14
KEPT = {COPYRIGHT, LICENCE, LICENCE_URL}

options = Options(hinting=False, legacy_kern=True, layout_features=[], notdef_outline=True, name_IDs=["*"])
options.drop_tables += ["FFTM", "GDEF", "GPOS", "GSUB", "gasp"]

for style in ("Regular", "Bold"):
    font = TTFont(Path(sys.argv[1]) / f"LiberationSans-{style}.ttf", recalcTimestamp=False)
    subsetter = Subsetter(options)
    subsetter.populate(text=CHARACTERS)
    subsetter.subset(font)

    names = font["name"]
    names.names = [name for name in names.names if name.nameID in KEPT]
    for number, text in [
        (FAMILY, NAME),
        (STYLE, style),
        (FULL_NAME, f"{NAME} {style}"),
        (POSTSCRIPT_NAME, f"{NAME.replace(' ', '')}-{style}"),
    ]:
        names.setName(text, number, 3, 1, 0x409)
    font.save(Path(__file__).with_name(f"{style.lower()}.ttf"))

"""The fonts of packets: three faces of DejaVu that are shipped, and whose subsets are embedded."""

from __future__ import annotations

from functools import cache
from pathlib import Path
from typing import Final

from reportlab import rl_config
from reportlab.graphics.shapes import STATE_DEFAULTS
from reportlab.lib.fonts import addMapping
from reportlab.pdfbase import pdfmetrics
from reportlab.pdfbase.ttfonts import TTFont
from reportlab.platypus.tables import CellStyle

REGULAR: Final = "Packet"
BOLD: Final = "Packet-Bold"
MONO: Final = "PacketMono"
FOLDER: Final = Path(__file__).parent / "typefaces"
_FILES: Final = {
    REGULAR: "DejaVuSans.ttf",
    BOLD: "DejaVuSans-Bold.ttf",
    MONO: "DejaVuSansMono.ttf",
}
# What has no italic and no bold of its own is drawn upright, and regular.
_FAMILIES: Final = {REGULAR: (REGULAR, BOLD), MONO: (MONO, MONO)}


@cache
def register() -> dict[str, TTFont]:
    """Make the faces known to ReportLab, once; none of its own is used."""
    found = {}
    for name, file in _FILES.items():
        found[name] = TTFont(name, str(FOLDER / file))
        pdfmetrics.registerFont(found[name])
    for family, (regular, bold) in _FAMILIES.items():
        for is_bold in (0, 1):
            for is_italic in (0, 1):
                addMapping(family, is_bold, is_italic, bold if is_bold else regular)
    # What no style names is drawn in ours too: the PDF's own fonts are not embedded.
    rl_config.canvas_basefontname = REGULAR
    STATE_DEFAULTS["fontName"] = REGULAR
    CellStyle.fontname = REGULAR
    return found


@cache
def _drawable() -> frozenset[int]:
    faces = register().values()
    common = frozenset.intersection(*(frozenset(face.face.charToGlyph) for face in faces))
    # Beyond the basic plane ReportLab writes a map to Unicode that readers of the PDF refuse.
    return frozenset(code for code in common if code <= 0xFFFF)


def has_glyph(character: str) -> bool:
    """Whether every face can draw the character."""
    return ord(character) in _drawable()


@cache
def widths(name: str) -> dict[int, float]:
    """The width of each character of a face, in thousandths of its size."""
    return dict(register()[name].face.charWidths)

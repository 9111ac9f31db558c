"""Charts as ReportLab drawings: vectors and text in the page, no pictures."""

from __future__ import annotations

from reportlab.graphics.shapes import Drawing, PolyLine, String
from reportlab.graphics.shapes import Rect as FilledRect
from reportlab.lib.colors import HexColor

from reports.rendering import fonts
from reports.rendering.charts import Chart, Path, Rect


def drawing(made: Chart) -> Drawing:
    """The chart as a flowable; y runs upwards there."""
    found = Drawing(made.width, made.height)
    for shape in made.shapes:
        if isinstance(shape, Rect):
            below = made.height - shape.y - shape.height
            found.add(
                FilledRect(
                    *(shape.x, below, shape.width, shape.height),
                    fillColor=HexColor(shape.fill),
                    strokeColor=None,
                )
            )
        elif isinstance(shape, Path):
            points = [number for x, y in shape.points for number in (x, made.height - y)]
            found.add(PolyLine(points, strokeColor=HexColor(shape.colour), strokeWidth=shape.width))
        else:
            found.add(
                String(
                    *(shape.x, made.height - shape.y, shape.text),
                    fontName=fonts.REGULAR,
                    fontSize=shape.size,
                    fillColor=HexColor(shape.colour),
                    textAnchor=shape.anchor,
                )
            )
    return found

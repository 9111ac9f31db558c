"""A document becomes a PDF: what the pages say, laid out, within the pages' furniture."""

from __future__ import annotations

import logging
import os
from collections.abc import Mapping
from datetime import datetime
from typing import Any

from reportlab import rl_config

from reports.rendering import fonts, markup, view
from reports.rendering.drawing import drawing
from reports.rendering.pages import built
from reports.rendering.tables import Rows

TEMPLATE = "reports/soc2.html"


def pdf_bytes(document: Mapping[str, Any], *, json_sha256: str) -> bytes:
    """The PDF. The same document and digest give the same bytes."""
    _make_reproducible(document["generatedAt"])
    fonts.register()
    logging.getLogger("xhtml2pdf").propagate = False
    pages = view.pages_of(document, json_sha256)
    html = markup.html_of(TEMPLATE, pages.context)
    story = markup.story(
        html,
        rows=[Rows(table.columns, table.rows) for table in pages.sheet.tables],
        charts=[drawing(chart) for chart in pages.sheet.charts],
    )
    return built(story, pages.furniture)


def _make_reproducible(generated_at: str) -> None:
    """ReportLab takes the time of the document from here, and its ids from the content."""
    moment = datetime.fromisoformat(generated_at)
    os.environ["SOURCE_DATE_EPOCH"] = str(int(moment.timestamp()))
    rl_config.invariant = 1
    # Streams as bytes rather than as text that is a quarter longer.
    rl_config.useA85 = 0

"""From the template to a story: HTML for prose, and tables and charts where it says so.

The template marks a place with a comment, ``<!--rows:3-->``. Whatever a document says is escaped,
so no text of it can be such a mark, an element or template syntax.
"""

from __future__ import annotations

import logging
import re
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from typing import Any, Final

from django.template import Context, Engine
from reportlab.platypus import CondPageBreak, Flowable, PageBreak, Spacer
from xhtml2pdf.config.resources import ResourceAccessPolicy
from xhtml2pdf.context import pisaContext
from xhtml2pdf.document import pisaStory

from reports.rendering import fonts

_TEMPLATES: Final = Path(__file__).parents[2] / "templates"
_STYLES: Final = Path(__file__).parent / "packet.css"
_MARK: Final = re.compile(r"<!--(rows|chart|room|gap|page):?(\d*)-->")
# Nothing is fetched and nothing is read: pages are made of text, tables and vectors alone.
POLICY: Final = ResourceAccessPolicy(
    allow_remote=False,
    base_dir=None,
    max_resources=0,
    max_document_bytes=32 << 20,
    max_depth=64,
    allow_remote_pdf_backgrounds=False,
)


class NotRendered(Exception):
    """The HTML could not be laid out as it is meant."""


def html_of(template: str, context: Mapping[str, Any]) -> str:
    """A template with its values, every one escaped; without any settings of Django."""
    engine = Engine(dirs=[str(_TEMPLATES)], autoescape=True, debug=False)
    return engine.get_template(template).render(Context(dict(context), use_l10n=False))


def story(html: str, *, rows: Sequence[Flowable], charts: Sequence[Flowable]) -> list[Flowable]:
    """The flowables of a document: its prose laid out, with tables and charts at their marks.

    Raises:
        NotRendered: for anything that the layout would otherwise only warn of.
    """
    found: list[Flowable] = []
    with _warnings_refused():
        for kind, text in _pieces(html):
            if kind == "prose":
                found += _prose(text)
            elif kind == "rows":
                found.append(rows[int(text)])
            elif kind == "chart":
                found.append(charts[int(text)])
            elif kind == "gap":
                found.append(Spacer(1, int(text)))
            else:
                found.append(CondPageBreak(int(text)) if kind == "room" else PageBreak())
    for place, heading in enumerate(_headings(found)):
        # Its own key would be a random one.
        heading.tocKey = f"part-{place}"
    return found


def _pieces(html: str) -> Iterator[tuple[str, str]]:
    parts = _MARK.split(html)
    for place in range(0, len(parts), 3):
        if parts[place].strip():
            yield "prose", parts[place]
        if place + 1 < len(parts):
            yield parts[place + 1], parts[place + 2]


def _prose(html: str) -> list[Flowable]:
    context = pisaContext("")
    context.fontList = {name.lower(): name for name in (fonts.REGULAR, fonts.MONO)}
    context.fontList["helvetica"] = fonts.REGULAR
    context.pathCallback = _no_resource
    pisaStory(html, context=context, default_css=_css(), resource_policy=POLICY)
    if context.err:
        raise NotRendered("A part of the packet could not be laid out.")
    return _with_its_margin(list(context.story))


def _with_its_margin(flowables: list[Flowable]) -> list[Flowable]:
    """The first block's upper margin as a margin again, which vanishes at the top of a page.

    It comes as a spacer, since a document's own first block keeps its margin.
    """
    first, *others = flowables
    if others and type(first) is Spacer and hasattr(others[0], "style"):
        others[0].style.spaceBefore = first.height
        return others
    return flowables


def _headings(flowables: Sequence[Flowable]) -> Iterator[Any]:
    return (item for item in flowables if getattr(item, "outline", False))


def _no_resource(uri: str, rel: str | None) -> str:
    raise NotRendered(f"The packet names a resource: {uri[:80]!r}")


@cache
def _css() -> str:
    return _STYLES.read_text(encoding="utf-8")


class _Refuse(logging.Handler):
    """A warning of the layout, such as a missing glyph, ends the rendering."""

    def emit(self, record: logging.LogRecord) -> None:
        raise NotRendered(f"The layout warns: {record.getMessage()[:300]}")


@contextmanager
def _warnings_refused() -> Iterator[None]:
    handler, logger = _Refuse(logging.WARNING), logging.getLogger("xhtml2pdf")
    logger.addHandler(handler)
    try:
        yield
    finally:
        logger.removeHandler(handler)

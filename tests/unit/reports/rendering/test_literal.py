"""What a document says stays text: in every field, whatever it looks like."""

from __future__ import annotations

import re
import socket
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from reports.rendering import render
from reports.rendering.text import cut, legible
from tests import pdfs
from tests.reports_documents import document

DIGEST = f"sha256:{'0' * 64}"
CANARY = "canary-5b1f0c"
# Fields with a structure of their own: what they may hold is settled before a page is made.
STRUCTURE = {"schema", "generatedAt", "kind", "fact", "framework", "id", "verifyPage", "state"}
# Of artefacts: so many characters as a page takes.
CUT = {"title", "origin"}
# Digests that pages show in part, and records that they name up to a number.
SHORTENED = {"objectsSha256", "objects", "key"}


@pytest.fixture
def listener() -> Iterator[socket.socket]:
    with socket.create_server(("127.0.0.1", 0)) as server:
        server.settimeout(0)
        yield server


def attacks(port: int, file: Path) -> list[str]:
    """Texts that make a renderer fetch, read, run or lay out something, if it takes them for it."""
    http, local = f"http://127.0.0.1:{port}", f"file://{file}"
    return [
        f'<img src="{http}/a.png">',
        f'"><img src={local}>',
        f'<svg xmlns="http://www.w3.org/2000/svg"><image href="{http}/b"/></svg>',
        f'<link rel="stylesheet" href="{http}/c.css">',
        f"<style>@import url({http}/d.css); * {{ display: none }}</style>",
        f"<style>@font-face {{ font-family: x; src: url({local}) }}</style>",
        f'<div style="background-image: url({http}/e)">x</div>',
        f'<iframe src="{local}"></iframe>',
        f'<pdf:insertpdf src="{local}"/>',
        "<pdf:nextpage/><pdf:toc/><pdf:pagenumber/>",
        '<para><font face="Symbol">x</font></para>',
        "<!--rows:0--><!--page-->",
        "{% include 'admin/base.html' %}{% load static %}",
        "{{ verify.digest }}{{ block.super }}{# gone #}",
        "&lt;b&gt;&amp;#60;&#x3c;&nbsp;",
        "</td></tr></table></body></html>",
        "<![CDATA[ x ]]><?xml version='1.0'?><!DOCTYPE x SYSTEM 'file:///etc/passwd'>",
        "$(id) `id` ${HOME} %s %n \\",
        "(a) Tj ET \\) endstream endobj",
    ]


def leaves(value: Any, change: Callable[[str, str], str], key: str = "") -> Any:
    """The same document with every text in it changed."""
    if isinstance(value, dict):
        return {name: leaves(item, change, name) for name, item in value.items()}
    if isinstance(value, list):
        return [leaves(item, change, key) for item in value]
    return change(key, value) if isinstance(value, str) else value


def test_every_field_is_text(listener: socket.socket, tmp_path: Path) -> None:
    canary = tmp_path / "canary.txt"
    canary.write_text(CANARY)
    hostile = attacks(listener.getsockname()[1], canary)
    put: list[tuple[str, str]] = []

    def change(key: str, text: str) -> str:
        if key in STRUCTURE:
            return text
        put.append((key, f"{hostile[len(put) % len(hostile)]} {text}"))
        return put[-1][1]

    made = leaves(_whole(), change)
    pages = pdfs.texts(render(made, json_sha256=DIGEST))

    shown = body(pages)
    missing = [
        (key, line)
        for key, text in put
        if key not in SHORTENED
        for line in (text.split("\n") if key == "checkpoint" else [text])
        if pdfs.squeezed(legible(line)) not in shown
        and (key not in CUT or pdfs.squeezed(legible(cut(line))) not in shown)
    ]
    assert missing == []
    assert len(put) > 300
    with pytest.raises(BlockingIOError):
        listener.accept()
    assert CANARY not in "".join(pages)


@pytest.mark.parametrize("number", range(len(attacks(1, Path("/x")))))
def test_each_attack_in_prose_and_in_tables(number: int) -> None:
    text = attacks(1, Path("/etc/hostname"))[number]
    assert legible(text).replace("\u00a0", " ") == text


def _whole() -> dict[str, Any]:
    """A document of which pages show every field: no fact and no header without a table."""
    made = document(2, 3)
    shown = {item["fact"] for item in made["executiveSummary"]["headline"]}
    # The headline has labels of its own.
    made["facts"] = {
        name: {key: item for key, item in fact.items() if key != "label"}
        for name, fact in made["facts"].items()
        if name in shown
    }
    made["annexes"][1]["rows"] = [["key", "change", "at"]]
    return made


def body(pages: list[str]) -> str:
    """All that the pages say, without what stands around it on each."""
    return pdfs.squeezed(
        "".join(re.split(r"Verify at [^\n]*\n", text, maxsplit=1)[-1] for text in pages)
    )

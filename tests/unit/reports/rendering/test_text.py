"""Texts as pages show them."""

from __future__ import annotations

import pytest

from reports.rendering import fonts
from reports.rendering.text import cut, legible, plain, short_digest


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("Größe, naïve, Łódź, Ωμέγα, Москва", "Größe, naïve, Łódź, Ωμέγα, Москва"),
        ("one\ntwo", "one↵ two"),
        ("one\r\ntwo", "one↵ two"),
        ("tab\there", "tab[U+0009]here"),
        ("nothing\x00here", "nothing[U+0000]here"),
        ("invoice\u202egpj.exe", "invoice[U+202E]gpj.exe"),
        ("שלום", "[U+05E9][U+05DC][U+05D5][U+05DD]"),
        ("漢", "[U+6F22]"),
        ("😀", "[U+1F600]"),
        ("e\u0301", "e[U+0301]"),
        ("zero\u200bwidth", "zero[U+200B]width"),
        ("\ud800", "[U+D800]"),
        ("two  spaces", "two \u00a0spaces"),
        (" edges ", "\u00a0edges\u00a0"),
        ("", ""),
    ],
)
def test_everything_can_be_seen(text: str, shown: str) -> None:
    assert legible(text) == shown


def test_runs_of_spaces_keep_their_length() -> None:
    for count in range(1, 9):
        assert len(legible("a" + " " * count + "b")) == count + 2
        assert len(legible(" " * count)) == count
        assert not legible(" " * count).startswith(" ")


def test_what_is_shown_can_be_drawn() -> None:
    every = "".join(map(chr, range(0x3000)))
    shown = legible(every).replace("\u00a0", "")
    assert [character for character in set(shown) if not fonts.has_glyph(character)] == []


@pytest.mark.parametrize(
    ("value", "shown"),
    [(48_211, "48,211"), (96.5, "96.5"), (2.0, "2"), (None, "–"), (True, "yes"), ("no data",) * 2],
)
def test_values(value: object, shown: str) -> None:
    assert plain(value) == shown


def test_digests_are_shortened_in_the_middle() -> None:
    assert short_digest("sha256:" + "0123456789abcdef" * 4) == "sha256:0123456789ab…abcdef"
    assert short_digest("sha256:0123") == "sha256:0123"


def test_a_long_line_is_cut_by_what_the_page_shows_of_it() -> None:
    assert cut("x" * 120) == "x" * 120
    assert cut("x" * 121) == "x" * 120 + "…"
    unseen = "\U0001d11e"  # no shipped font draws it: it is written as its code point
    assert len(legible(cut(unseen * 200))) <= 121
    assert cut(unseen * 3) == unseen * 3

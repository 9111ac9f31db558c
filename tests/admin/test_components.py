"""The small pieces: states, digests, times, people, verdicts; and that colours can be read."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from django.conf import settings
from django.template.loader import render_to_string
from django.utils import timezone

from access.admin import components
from access.admin.components import CustodyStep, Tone
from access.templatetags import strongroom as tags
from sealing.results import Finding, Report
from tests.factories import World

CSS = (Path(settings.BASE_DIR) / "access/static/strongroom/strongroom.css").read_text("utf-8")
DIGEST = "0123456789ab" + "c" * 46 + "fedcba"


def test_a_state_is_an_icon_and_a_word() -> None:
    shown = components.pill("compromised")
    assert 'class="pill refused"' in shown
    assert "#i-cross" in shown
    assert "<span>Compromised</span>" in shown


def test_an_unknown_state_has_no_colour_of_its_own_and_can_not_inject() -> None:
    shown = components.pill("<b>odd</b>")
    assert 'class="pill neutral"' in shown
    assert "&lt;b&gt;odd&lt;/b&gt;" in shown


def test_a_word_may_be_given_its_tone() -> None:
    assert 'class="pill waiting"' in components.pill("one of two", tone="waiting")
    with pytest.raises(ValueError, match="purple"):
        components.pill("x", tone="purple")


@pytest.mark.parametrize("value", [f"sha256:{DIGEST}", DIGEST, bytes.fromhex(DIGEST)])
def test_a_digest_shows_its_ends_and_carries_the_whole(value: str | bytes) -> None:
    shown = components.digest(value)
    assert "<code>0123456789ab…fedcba</code>" in shown
    assert f'title="sha256:{DIGEST}"' in shown
    assert f'data-copy="sha256:{DIGEST}"' in shown
    assert f"<code>{DIGEST}</code>" in components.digest(value, full=True)


@pytest.mark.parametrize("value", [None, ""])
def test_nothing_is_a_dash(value: str | None) -> None:
    for piece in (components.digest, components.when, components.person, components.pill):
        assert piece(value) == components.NOTHING


def test_a_time_is_in_utc_and_says_so() -> None:
    shown = components.when(datetime(2026, 11, 21, 14, 2, 3, 4, tzinfo=UTC))
    assert 'datetime="2026-11-21T14:02:03.000004Z"' in shown
    assert "<span>2026-11-21</span> <span>14:02 UTC</span>" in shown


def test_a_time_of_another_zone_has_utc_beside_it() -> None:
    with timezone.override("Europe/Berlin"):
        same_day = components.when("2026-11-21T14:02:00.000000Z")
        next_day = components.when("2026-11-21T23:30:00.000000Z")
    assert "<span>2026-11-21</span> <span>15:02 (14:02 UTC)</span>" in same_day
    assert "<span>2026-11-22</span> <span>00:30 (2026-11-21 23:30 UTC)</span>" in next_day


def test_whole_days_are_shown_as_days() -> None:
    start, end = datetime(2026, 11, 1, tzinfo=UTC), datetime(2026, 12, 1, tzinfo=UTC)
    shown = re.sub("<[^>]*>", "", components.period(start, end))
    assert shown == "2026-11-01 up to 2026-12-01"
    shown = re.sub("<[^>]*>", "", components.period(start, end - timedelta(hours=1)))
    assert shown == "2026-11-01 00:00 UTC up to 2026-11-30 23:00 UTC"


def test_an_id_may_be_broken_after_its_separators_only() -> None:
    assert components.identifier("a.b_c") == ('<code title="a.b_c">a.<wbr>b_<wbr>c</code>')
    assert components.identifier("<a>") == '<code title="&lt;a&gt;">&lt;a&gt;</code>'


@pytest.mark.parametrize(
    ("distance", "words"),
    [(timedelta(seconds=5), "just now"), (timedelta(hours=3, minutes=5), "3\xa0hours ago")],
)
def test_how_long_ago_is_only_an_addition(distance: timedelta, words: str) -> None:
    shown = components.when(timezone.now() - distance, relative=True)
    assert "UTC" in shown
    assert f'<span class="ago">{words}</span>' in shown


def test_a_person_is_never_an_account_alone(world: World) -> None:
    shown = components.person(world.user("olivia"), role="compliance-officer")
    assert '<span class="name">Olivia Officer</span>' in shown
    assert "compliance officer · olivia" in shown
    assert "Olivia Officer" in components.person(world.person("olivia"))
    assert "service account" in components.person(world.user("svc-clinic-001"))


@pytest.mark.parametrize(
    ("ok", "words"),
    [((True, True), "VALID"), ((True, False), "INVALID"), ((True, None), "COULD NOT CHECK")],
)
def test_the_verdict_card_says_every_check(ok: tuple[bool | None, ...], words: str) -> None:
    findings = tuple(Finding(f"check_{n}", value, f"Check {n}") for n, value in enumerate(ok))
    page = render_to_string("strongroom/verdict.html", {"report": Report(findings)})
    heading = re.search(r"</span><span>([A-Z ]+)</span></h2>", page)
    assert heading is not None
    assert heading.group(1) == words
    assert page.count("<td>Check ") == len(findings)


@pytest.mark.parametrize("verdict", ["", None, "GOOD", "valid"])
def test_what_is_no_verdict_could_not_be_checked(verdict: object) -> None:
    assert tags.verdict_words(verdict) == "COULD NOT CHECK"


def test_nothing_checked_is_not_valid() -> None:
    page = render_to_string("strongroom/verdict.html", {"report": Report(())})
    assert "COULD NOT CHECK" in page
    assert ">VALID<" not in page


def test_the_custody_line_says_who_what_when_and_to_which_bytes(world: World) -> None:
    step = CustodyStep(
        what="Package made",
        who=world.user("olivia"),
        role="compliance-officer",
        at=datetime(2026, 11, 21, 14, 2, tzinfo=UTC),
        digest=f"sha256:{DIGEST}",
    )
    page = render_to_string("strongroom/custody.html", {"steps": [step], "verify_url": "/v/"})
    for expected in ("Package made", "Olivia Officer", "14:02 UTC", DIGEST, 'href="/v/"'):
        assert expected in page


# --- colours ------------------------------------------------------------------------------------

TOKENS = {
    name: (light, dark)
    for name, light, dark in re.findall(
        r"--([a-z-]+): light-dark\((#[0-9a-f]{6}), (#[0-9a-f]{6})\);", CSS
    )
}
TEXT_ON = [
    *((text, ground) for text in ("ink", "ink-soft") for ground in ("canvas", "surface", "sunken")),
    *((f"{tone}", f"{tone}-tint") for tone in Tone),
    *(("ink", f"{tone}-tint") for tone in Tone),
    *(("ink-soft", f"{tone}-tint") for tone in Tone),
    *((f"{tone}", "surface") for tone in Tone),
    ("refused", "canvas"),
    ("on-solid", "solid"),
    ("on-solid", "solid-hover"),
]


def luminance(colour: str) -> float:
    def linear(channel: float) -> float:
        return channel / 12.92 if channel <= 0.04045 else ((channel + 0.055) / 1.055) ** 2.4

    red, green, blue = (linear(int(colour[i : i + 2], 16) / 255) for i in (1, 3, 5))
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


def contrast(one: str, other: str) -> float:
    bright, dim = sorted((luminance(one), luminance(other)), reverse=True)
    return (bright + 0.05) / (dim + 0.05)


@pytest.mark.parametrize("scheme", [0, 1], ids=["light", "dark"])
@pytest.mark.parametrize(("text", "ground"), TEXT_ON)
def test_text_can_be_read(text: str, ground: str, scheme: int) -> None:
    """WCAG 2.2, 1.4.3: at least 4.5 to 1."""
    assert contrast(TOKENS[text][scheme], TOKENS[ground][scheme]) >= 4.5


@pytest.mark.parametrize("scheme", [0, 1], ids=["light", "dark"])
@pytest.mark.parametrize("ground", ["canvas", "surface"])
def test_controls_can_be_seen(ground: str, scheme: int) -> None:
    """WCAG 2.2, 1.4.11: at least 3 to 1."""
    assert contrast(TOKENS["control-line"][scheme], TOKENS[ground][scheme]) >= 3


def test_every_tone_has_its_icon_and_its_colours() -> None:
    sprite = render_to_string("strongroom/sprite.html")
    for tone in Tone:
        assert f'id="i-{components.ICONS[tone]}"' in sprite
        assert f".{tone} {{ --tone: var(--{tone}); --tint: var(--{tone}-tint); }}" in CSS

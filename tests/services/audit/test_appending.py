"""Giving events their place: what COPY's text form would misread, and batches that end."""

from __future__ import annotations

import pytest

from audit.models import AuditEvent, PendingEvent
from audit.services import appending, sealing
from tests.factories import World
from tests.services.audit.helpers import event_bytes, force, record


@pytest.mark.parametrize(
    "text",
    [
        "\\N",
        "\\",
        "a\\tb",
        "a\tb",
        "line\nline",
        "\r\v\f\b",
        "\x7f\x01",
        "\\.",
        " ",
        "–\u2028\xa0",
        "\U0001f600",
        '"',
    ],
    ids=ascii,
)
def test_any_text_reaches_its_column_as_it_is(world: World, text: str) -> None:
    sealing.seal_pending()
    raw = event_bytes(
        actor={"id": f"user:{text}"}, object={"type": text, "id": f"{text}x"}, data={text: text}
    )
    force(raw)
    assert sealing.seal_pending().set_aside == 0
    event = AuditEvent.objects.order_by("-seq")[0]
    assert (event.actor_id, event.object_type, event.object_id) == (
        f"user:{text}",
        text,
        f"{text}x",
    )
    assert event.event.encode() == raw


def test_blocks_of_any_size_are_one_log(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(appending, "_BLOCK_ROWS", 3)
    ids = record(10)
    sealing.seal_pending()
    sealed = AuditEvent.objects.order_by("-seq")[:10]
    assert [str(event.id) for event in reversed(sealed)] == ids


def test_a_call_ends_with_what_was_there_when_it_began(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    sealing.seal_pending()
    first = record(4)
    newest = PendingEvent.objects.order_by("-id")[0].id
    record(3)
    monkeypatch.setattr(sealing, "_newest_waiting", lambda: newest)
    monkeypatch.setattr(sealing, "BATCH_ROWS", 3)
    result = sealing.seal_pending()
    assert (result.count, result.last_id) == (len(first), newest)
    assert PendingEvent.objects.count() == 3


def test_a_refused_row_is_found_among_the_others(world: World) -> None:
    sealing.seal_pending()
    before = sealing.seal_pending()
    assert before == sealing.Sealed()
    good = [event_bytes() for _ in range(3)]
    for raw in (*good, good[1]):
        force(raw)
    result = sealing.seal_pending()
    assert (result.count, result.set_aside) == (3, 1)
    reason = PendingEvent.objects.get(set_aside_at__isnull=False).set_aside_reason
    assert reason == "id: An event of this id is in the log already."

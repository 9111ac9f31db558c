"""What the log has to hold for a signature to be anchored in it, and what asking it costs."""

from __future__ import annotations

from typing import Any

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from audit.formats import checkpoint as checkpoint_formats
from audit.models import Checkpoint, SigningKey
from audit.services import keys, sealing
from evidence.services import anchoring, checking
from sealing.results import Verdict
from sealing.signers.local import LocalSigner
from tests.factories import World
from tests.servers import tsa
from tests.servers.tsa import Authority
from tests.services.evidence.aging import (
    alone,
    anchor,
    checkpoint_now,
    codes,
    compromise,
    stamp_checkpoint,
)
from tests.services.evidence.helpers import countersign, export

pytestmark = pytest.mark.django_db


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    return Authority(tmp_path_factory.mktemp("authority"))


@pytest.fixture(autouse=True)
def trusting(settings: Any, authority: Authority) -> None:
    settings.TSA_CERTIFICATES = authority.certificates.decode()


def wrong_root(checkpoint: Checkpoint) -> str:
    """A note by our own key about a log that is not ours."""
    parsed, _ = checkpoint_formats.open_note(checkpoint.note.encode(), keys.signers())
    assert parsed is not None
    other = checkpoint_formats.Checkpoint(
        parsed.origin, parsed.size, bytes(32), parsed.head, parsed.time
    )
    return checkpoint_formats.sign(other, keys.signer_for("checkpoint")).decode()


def by_a_stranger(checkpoint: Checkpoint) -> str:
    parsed, _ = checkpoint_formats.open_note(checkpoint.note.encode(), keys.signers())
    assert parsed is not None
    return checkpoint_formats.sign(parsed, LocalSigner.generate("ed25519")).decode()


@pytest.mark.parametrize("note_of", [wrong_root, by_a_stranger, lambda checkpoint: "rubbish"],
                         ids=["another log", "another key", "no checkpoint"])  # fmt: skip
def test_a_checkpoint_that_does_not_hold_anchors_nothing(
    world: World, authority: Authority, note_of: Any
) -> None:
    package = alone(world)
    good = checkpoint_now()
    forged = Checkpoint.objects.create(
        size=good.size, root=good.root, head=good.head, signed_at=good.signed_at,
        note=note_of(good), key=good.key,
    )  # fmt: skip
    stamp_checkpoint(authority, forged)
    compromise(package.signing_key)
    assert codes(checking.check_files(package)) == {"key_compromised"}


def test_a_checkpoint_from_before_the_event_anchors_nothing(
    world: World, authority: Authority
) -> None:
    anchor(authority)
    package = alone(world)
    sealing.seal_pending()
    compromise(package.signing_key)
    report = checking.check_files(package)
    assert (report.verdict, codes(report)) == (Verdict.INVALID, {"key_compromised"})


def test_an_earlier_checkpoint_does_not_stand_in_the_way(
    world: World, authority: Authority
) -> None:
    anchor(authority)
    package = alone(world)
    anchor(authority)
    compromise(package.signing_key)
    assert checking.check_files(package).verdict is Verdict.VALID


def test_a_stamp_that_the_settings_do_not_trust_anchors_nothing(
    world: World, authority: Authority, settings: Any
) -> None:
    package = alone(world)
    anchor(authority)
    compromise(package.signing_key)
    settings.TSA_CERTIFICATES = tsa.make_ca("Stranger").pem.decode()
    assert codes(checking.check_files(package)) == {"key_compromised"}
    settings.TSA_CERTIFICATES = ""
    assert codes(checking.check_files(package)) == {"key_compromised"}


def test_a_checkpoint_by_a_key_that_was_compromised_later(
    world: World, authority: Authority
) -> None:
    """Its own timestamp keeps it, and the checkpoint inside the package is as old as that."""
    package = alone(world)
    anchor(authority)
    key = SigningKey.objects.get(purposes=["checkpoint"], status="active")
    compromise(key)
    assert checking.check_files(package).verdict is Verdict.VALID
    compromise(package.signing_key)
    assert checking.check_files(package).verdict is Verdict.VALID


def test_the_checkpoint_s_key_alone(world: World) -> None:
    package = alone(world)
    sealing.seal_pending()
    compromise(SigningKey.objects.get(purposes=["checkpoint"], status="active"))
    report = checking.check_files(package)
    assert (report.verdict, codes(report)) == (Verdict.INVALID, {"key_compromised"})
    assert report.signature_valid


def test_the_log_is_asked_only_about_compromised_keys(world: World, authority: Authority) -> None:
    package = export(world)
    countersign(world, package)
    anchor(authority)
    sidecars = checking.read_sidecars(package.name)
    stranger = world.key("ben")
    with CaptureQueriesContext(
        connection,
    ) as queries:
        assert anchoring.known(sidecars, keys.signers()) is anchoring.NOTHING
        compromise(stranger)
        assert anchoring.known(sidecars, keys.signers()) is anchoring.NOTHING
    assert not [query for query in queries if "audit_events" in query["sql"]]
    compromise(package.signing_key)
    signers = keys.signers()
    with CaptureQueriesContext(connection) as queries:
        assert len(anchoring.known(sidecars, signers).anchors) == 1
    asked = [query["sql"] for query in queries if "tile" not in query["sql"]]
    assert len(asked) == 2

"""Rotations: the shared secret of older times, and the key-encryption key."""

from __future__ import annotations

import base64
import json
from io import StringIO
from pathlib import Path
from typing import Any

import pytest
from allauth.mfa.models import Authenticator
from allauth.mfa.recovery_codes.internal.auth import RecoveryCodes
from allauth.mfa.totp.internal.auth import TOTP, generate_totp_secret
from django.core.management import call_command

from access.adapters import opened
from audit.events import Actor, EventType
from audit.models import SigningKey
from audit.services import boxes, checkpoints, keys, rewrapping
from evidence.models import Package
from evidence.services import secret_rotation, verification
from evidence.services.secret_rotation import SecretRefused
from sealing import secretbox
from sealing.results import Verdict
from sealing.wrapping.local import fingerprint
from tests.factories import PASSWORD, World
from tests.services.evidence import helpers
from tests.services.evidence.helpers import export

pytestmark = pytest.mark.django_db
SYSTEM = Actor.system("tests")
OLD = b"the shared secret of last year, 40 chars"
NEW = b"another one, drawn at random this summer"
OTHER_KEY = bytes(range(1, 33))


def command(name: str) -> tuple[int, dict[str, Any], str]:
    """Exit code, what it printed as JSON, and what it printed to people."""
    out, err = StringIO(), StringIO()
    code = 0
    try:
        call_command(name, "--json", stdout=out, stderr=err)
    except SystemExit as ended:
        code = int(str(ended.code))
    plain = StringIO()
    if not code:
        call_command(name, stdout=plain)
    text = out.getvalue()
    return code, json.loads(text) if text else {}, plain.getvalue() + err.getvalue()


# --- the shared secret ------------------------------------------------------------------------


def test_a_rotation_counts_and_is_recorded_once(world: World, settings: Any) -> None:
    export(world)
    settings.COMPLIANCE_EVIDENCE_SIGNING_SECRET = OLD
    for _ in range(2):
        export(world)
    assert command("rotate_signing_secret")[1]["is_new"]
    settings.COMPLIANCE_EVIDENCE_SIGNING_SECRET = NEW
    export(world)
    code, told, _ = command("rotate_signing_secret")
    assert (code, told["is_new"]) == (0, True)
    assert (told["present"], told["of_former"], told["without"], told["unread"]) == (1, 2, 1, 0)
    code, again, words = command("rotate_signing_secret")
    assert (code, again["is_new"], again["former"]) == (0, False, told["fingerprint"])
    assert "Restart web and worker" in words
    events = helpers.events_of(EventType.EVIDENCE_SECRET_ROTATED)
    assert [event["data"]["fingerprint"] for event in events] == [
        secret_rotation.fingerprint(OLD),
        secret_rotation.fingerprint(NEW),
    ]
    written = json.dumps(events) + json.dumps(told) + words
    assert OLD.decode() not in written
    assert NEW.decode() not in written


def test_packages_of_before_stay_valid(world: World, settings: Any) -> None:
    settings.COMPLIANCE_EVIDENCE_SIGNING_SECRET = OLD
    package = export(world, required_countersignatures=0)
    settings.COMPLIANCE_EVIDENCE_SIGNING_SECRET = NEW
    actor, path = world.actor("olivia"), package.package_path

    def verified(secret: bytes | None) -> tuple[Verdict, bool]:
        found = verification.verify(actor=actor, package_path=path, signing_secret=secret)
        return found.verdict, found.as_dict()["mac_valid"]

    assert verified(None)[0] is Verdict.VALID
    assert verified(OLD) == (Verdict.VALID, True)
    assert verified(NEW) == (Verdict.INVALID, False)


@pytest.mark.parametrize(
    "secret",
    [b"", b"short", b"x" * 64, b"ab" * 40],
    ids=["none", "short", "one-letter", "two-letters"],
)
def test_a_weak_secret_is_refused(world: World, settings: Any, secret: bytes) -> None:
    settings.COMPLIANCE_EVIDENCE_SIGNING_SECRET = secret
    code, _, words = command("rotate_signing_secret")
    assert code == 1
    assert "signing_secret_refused" in words
    assert not secret or secret.decode() not in words
    assert not helpers.events_of(EventType.EVIDENCE_SECRET_ROTATED)


def test_a_secret_of_another_use_is_refused(settings: Any) -> None:
    with pytest.raises(SecretRefused, match="must not be SECRET_KEY"):
        secret_rotation.check(settings.SECRET_KEY.encode())


# --- the key-encryption key ---------------------------------------------------------------------


@pytest.fixture
def former(settings: Any) -> bytes:
    """What the key-encryption key was, when `rotate` is called."""
    return bytes(settings.KEY_ENCRYPTION_KEY)


def rotate(settings: Any) -> None:
    """An operator puts a new key in front of the one of before."""
    settings.KEY_ENCRYPTION_KEYS_FORMER = (settings.KEY_ENCRYPTION_KEY,)
    settings.KEY_ENCRYPTION_KEY = OTHER_KEY


def checkpoint_key() -> SigningKey:
    return SigningKey.objects.get(purposes=["checkpoint"], status="active")


def closed_by(key: SigningKey) -> str | None:
    key.refresh_from_db()
    return boxes.closed_by(bytes(key.private_box or b""))


def test_the_service_s_boxes_are_closed_anew(world: World, settings: Any, former: bytes) -> None:
    assert closed_by(checkpoint_key()) == fingerprint(former)
    rotate(settings)
    checkpoints.issue()  # the former key still opens it
    code, told, words = command("rewrap_keys")
    assert (code, told["signing_keys"]) == (0, [checkpoint_key().key_id])
    assert closed_by(checkpoint_key()) == fingerprint(OTHER_KEY)
    assert "Nothing needs KEY_ENCRYPTION_KEYS_FORMER any more" in words
    settings.KEY_ENCRYPTION_KEYS_FORMER = ()
    checkpoints.issue()
    (event,) = helpers.events_of(EventType.EVIDENCE_KEY_REWRAPPED)
    assert event["data"]["closed_by_before"] == fingerprint(former)
    assert event["actor"]["id"].startswith("service:console:")
    assert command("rewrap_keys")[1]["signing_keys"] == []
    assert base64.b64encode(OTHER_KEY).decode() not in words


def test_without_the_former_key_it_is_told(world: World, settings: Any) -> None:
    settings.KEY_ENCRYPTION_KEY = OTHER_KEY
    code, told, _ = command("rewrap_keys")
    assert (code, told["unopened"]) == (1, [checkpoint_key().key_id])


def test_a_person_s_box_is_closed_anew_when_the_password_is_given(
    world: World, settings: Any, former: bytes
) -> None:
    package, key = export(world), world.key("oscar")
    rotate(settings)
    _, told, _ = command("rewrap_keys")
    assert told["of_people"] == {fingerprint(former): 1}
    assert told["needed"] == [fingerprint(former)]
    with pytest.raises(keys.WrongPassword):
        keys.person_signer(key, PASSWORD + "x")
    assert closed_by(key) == fingerprint(former)
    helpers.countersign(world, package)
    assert closed_by(key) == fingerprint(OTHER_KEY)
    settings.KEY_ENCRYPTION_KEYS_FORMER = ()
    key.refresh_from_db()
    assert keys.person_signer(key, PASSWORD).key_id == key.key_id
    assert command("rewrap_keys")[1]["of_people"] == {}


def test_a_box_of_before_is_opened_and_closed_anew(world: World, settings: Any) -> None:
    """Boxes of earlier versions don't say which key closed them."""
    key = world.key("oscar")
    signer = boxes.opened_box(key, PASSWORD).signer
    salt = secretbox.new_salt()
    derived = secretbox.derive(settings.KEY_ENCRYPTION_KEY, PASSWORD, salt)
    box = secretbox.seal(derived, signer.private_pem().encode(), key.key_id.encode())
    SigningKey.objects.filter(pk=key.pk).update(private_box=box, salt=salt)
    assert closed_by(key) is None
    rotate(settings)
    assert command("rewrap_keys")[1]["of_people"] == {rewrapping.UNMARKED: 1}
    key.refresh_from_db()
    assert keys.person_signer(key, PASSWORD).key_id == key.key_id
    assert closed_by(key) == fingerprint(OTHER_KEY)


def test_second_factors_are_closed_anew(world: World, settings: Any) -> None:
    user, secret = world.user("olivia"), generate_totp_secret()
    TOTP.activate(user, secret)
    codes = RecoveryCodes.activate(user).get_unused_codes()
    rotate(settings)
    assert command("rewrap_keys")[1]["second_factors"] == 2
    settings.KEY_ENCRYPTION_KEYS_FORMER = ()
    rows = {row.type: row for row in Authenticator.objects.filter(user=user)}
    assert opened(rows["totp"].data["secret"]) == (secret, True)
    assert rows["recovery_codes"].wrap().get_unused_codes() == codes
    assert command("rewrap_keys")[1]["second_factors"] == 0


def test_second_factors_without_their_key_are_told(world: World, settings: Any) -> None:
    TOTP.activate(world.user("olivia"), generate_totp_secret())
    before = Authenticator.objects.get().data
    settings.KEY_ENCRYPTION_KEY = OTHER_KEY
    code, told, _ = command("rewrap_keys")
    assert (code, told["second_factors_unopened"]) == (1, 1)
    assert Authenticator.objects.get().data == before


def test_envelopes_stay_and_their_key_is_named(
    world: World, settings: Any, local_vault: Path, former: bytes
) -> None:
    for _ in range(2):
        export(world, vault_mode="local")
    rotate(settings)
    export(world, vault_mode="local")
    code, told, words = command("rewrap_keys")
    assert (code, told["envelopes"]) == (0, {fingerprint(former): 2})
    assert "Keep these keys in KEY_ENCRYPTION_KEYS_FORMER" in words
    settings.KEY_ENCRYPTION_KEYS_FORMER = ()
    assert command("rewrap_keys")[0] == 1
    assert Package.objects.count() == 3


def test_envelopes_that_can_not_be_read_leave_it_incomplete(
    world: World, settings: Any, local_vault: Path, former: bytes
) -> None:
    export(world, vault_mode="local")
    rotate(settings)
    settings.COMPLIANCE_EVIDENCE_VAULT_DIR = ""
    code, told, _ = command("rewrap_keys")
    assert (code, told["envelopes_unread"], told["is_complete"]) == (3, 1, False)

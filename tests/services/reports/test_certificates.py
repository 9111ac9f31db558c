"""Certificates over the keys that sign PDFs: issued once, kept, recorded, and of the right key."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from django.conf import settings as configured

from audit.events import Actor, EventType
from audit.services import keys
from reports.formats import certificates as formats
from reports.formats.certificates import Subject, Validity
from reports.formats.pdf_errors import CertificateRefused, KeyUnsuitable
from reports.models import Certificate
from reports.services import certificates
from reports.services.certificates import CertificateEnded
from sealing.keys import ECDSA_P256, ED25519
from sealing.signers.local import LocalSigner
from tests.factories import PASSWORD, World
from tests.services.evidence import helpers

pytestmark = pytest.mark.django_db
ACTOR = Actor.system("tests")


@pytest.fixture(autouse=True)
def registered(world: World) -> None:
    keys.ensure_service_keys(actor=ACTOR)


def service() -> LocalSigner:
    return LocalSigner.from_pem(configured.SIGNING_PRIVATE_KEY)


def own_key(world: World, algorithm: str = ECDSA_P256) -> Any:
    person = world.person("oscar")
    return keys.create_person_key(
        actor=world.actor("oscar"), person=person, password=PASSWORD, algorithm=algorithm
    )


def issued(key_id: str) -> int:
    return len(helpers.events_of(EventType.REPORTS_CERTIFICATE_ISSUED, key_id))


def test_the_installations_certificate_is_issued_once() -> None:
    chain = certificates.service_chain(actor=ACTOR)
    assert certificates.service_chain(actor=ACTOR) == chain
    (pem,) = chain
    row = Certificate.objects.get()
    assert (row.pem, row.key, row.issuer) == (pem, row.key, row.key)
    assert row.sha256 == formats.fingerprint(pem)
    assert formats.key_id_of(pem) == service().key_id
    assert row.not_before <= row.key.not_before
    assert row.not_after - row.not_before > timedelta(days=3_650)
    assert issued(service().key_id) == 1


def test_an_officers_certificate_is_issued_by_the_installations(world: World) -> None:
    key = own_key(world)
    chain = certificates.person_chain(actor=ACTOR, key=key)
    assert certificates.person_chain(actor=ACTOR, key=key) == chain
    assert formats.load_chain("".join(chain)) == chain
    assert formats.key_id_of(chain[0]) == key.key_id
    assert "Oscar" in formats.load(chain[0]).subject.rfc4514_string()
    assert chain[1] == certificates.service_chain(actor=ACTOR)[0]
    assert issued(key.key_id) == 1
    row = Certificate.objects.get(key=key)
    assert row.not_after <= Certificate.objects.get(key=row.issuer).not_after


def test_peoples_new_keys_are_of_a_kind_that_readers_understand(world: World) -> None:
    person = world.person("oscar")
    made = {"actor": world.actor("oscar"), "person": person, "password": PASSWORD}
    assert keys.create_person_key(**made).algorithm == ECDSA_P256
    assert keys.rotate_person_key(**made).algorithm == ECDSA_P256


def test_an_ed25519_key_gets_none(world: World) -> None:
    key = own_key(world, ED25519)
    with pytest.raises(KeyUnsuitable, match="Rotate it"):
        certificates.person_chain(actor=ACTOR, key=key)
    assert not Certificate.objects.exists()


def test_keys_that_get_none(world: World) -> None:
    key = own_key(world)
    keys.retire_key(actor=world.actor("alice"), key=key)
    with pytest.raises(keys.KeyNotActive):
        certificates.person_chain(actor=ACTOR, key=key)
    row = keys.by_id(service().key_id)
    with pytest.raises(keys.NotOwnKey):
        certificates.person_chain(actor=ACTOR, key=row)


def test_a_certificate_that_has_ended(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(certificates, "VALID_FOR", timedelta(seconds=-1))
    with pytest.raises(CertificateEnded, match="Rotate the key"):
        certificates.service_chain(actor=ACTOR)


# --- one from elsewhere ---------------------------------------------------------------------------


def elsewhere(signer: LocalSigner) -> str:
    """A chain in PEM over that key, by an authority of its own."""
    authority = LocalSigner.generate(ECDSA_P256)
    valid = Validity(helpers_now() - timedelta(days=1), helpers_now() + timedelta(days=30))
    top = Subject("Some authority", "Elsewhere", authority.public_key_pem)
    subject = Subject("Clinic records", "Records", signer.public_key_pem)
    return formats.issue_person(authority, top, subject, valid, 7) + formats.issue_service(
        authority, top, valid, 8
    )


def helpers_now() -> Any:
    from django.utils import timezone

    return timezone.now()


@pytest.mark.parametrize("as_file", [True, False])
def test_one_that_the_settings_name(
    world: World, settings: Any, tmp_path: Any, as_file: bool
) -> None:
    text = elsewhere(service())
    (tmp_path / "chain.pem").write_text(text)
    settings.SIGNING_CERTIFICATE = str(tmp_path / "chain.pem") if as_file else text
    chain = certificates.service_chain(actor=ACTOR)
    assert "".join(chain) == text
    assert not Certificate.objects.exists()
    # It may issue none itself, so officers' come from the installation's own.
    officers = certificates.person_chain(actor=ACTOR, key=own_key(world))
    assert formats.load_chain("".join(officers)) == officers
    assert officers[1] not in chain


@pytest.mark.parametrize(
    ("given", "words"),
    [
        (lambda: elsewhere(LocalSigner.generate(ECDSA_P256)), "another key"),
        (lambda: "-----BEGIN CERTIFICATE-----\nAAAA\n", "Not a list"),
        (lambda: "/nowhere/at/all.pem", "can't be read"),
    ],
    ids=["another key", "not a certificate", "no file"],
)
def test_one_that_does_not_do(settings: Any, given: Any, words: str) -> None:
    from reports import checks

    settings.SIGNING_CERTIFICATE = given()
    with pytest.raises(CertificateRefused, match=words):
        certificates.service_chain(actor=ACTOR)
    (found,) = checks.check_certificate(None)
    assert found.id == "reports.E001" and words in found.msg


@pytest.mark.parametrize(
    ("url", "fits"),
    [
        ("https://strongroom.example.org", True),
        ("https://strongroom.example.org:8443/vault", True),
        ("http://localhost:8000", True),
        ("", True),
        ("strongroom.example.org", False),
        ("ftp://strongroom.example.org", False),
        ("https://strongroom.example.org?x=1", False),
        ("https://user:pw@strongroom.example.org", False),
        ("https://strongroom.example.org:port", False),
        ("javascript:alert(1)", False),
    ],
)
def test_the_address_that_packets_print(settings: Any, url: str, fits: bool) -> None:
    from reports import checks

    settings.PUBLIC_URL = url
    assert [item.id for item in checks.check_public_url(None)] == ([] if fits else ["reports.E002"])
    warned = [item.id for item in checks.check_public_url_for_production(None)]
    assert warned == ([] if url.startswith("https://") else ["reports.W001"])

"""Exports that are interrupted or fail: what is left, and what taking them up again gives."""

from __future__ import annotations

import errno
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from audit import selectors
from audit.events import EventType
from audit.services import keys
from evidence.models import Package, PackageStatus
from evidence.services import checking, outcomes, publishing
from evidence.services.errors import ExportFailed
from sealing.signers.local import LocalSigner
from tests.carrying import carry_on
from tests.factories import World
from tests.services.evidence import helpers
from tests.services.evidence.helpers import export

pytestmark = pytest.mark.django_db


class Killed(BaseException):
    """The process ends here, as by ``kill -9``: nothing catches it."""


def die(*args: Any, **kwargs: Any) -> None:
    raise Killed


def files(package: Package) -> dict[str, bytes]:
    folder = helpers.file(package).parent
    return {path.name: path.read_bytes() for path in folder.iterdir()} if folder.exists() else {}


def interrupted(world: World, monkeypatch: pytest.MonkeyPatch, where: str) -> Package:
    module, name = {
        "before anything": (publishing, "publish"),
        "before the zip": (publishing, "_write_zip"),
        "before the signature": (publishing, "_sign"),
        "between the sidecars": (publishing, "_write_sidecars"),
        "before the check": (publishing, "_check"),
        "before the record": (outcomes, "record_success"),
    }[where]
    with monkeypatch.context() as patch:
        patch.setattr(module, name, die)
        if where == "between the sidecars":
            patch.setattr(publishing, name, first_sidecar_only)
        with pytest.raises(Killed):
            export(world)
    return Package.objects.get()


def first_sidecar_only(package: Package, sidecars: Any) -> None:
    from sealing.files import write_new

    write_new(helpers.file(package, ".zip.sig"), sidecars.sig)
    raise Killed


WHERE = [
    "before anything",
    "before the zip",
    "before the signature",
    "between the sidecars",
    "before the check",
    "before the record",
]


@pytest.mark.parametrize("where", WHERE)
def test_taken_up_again_it_gives_the_same_bytes(
    world: World, monkeypatch: pytest.MonkeyPatch, where: str
) -> None:
    helpers.some_events()
    package = interrupted(world, monkeypatch, where)
    assert package.status == PackageStatus.WRITING
    assert helpers.events_of(EventType.EVIDENCE_PACKAGE_EXPORTED) == []
    left = files(package)
    helpers.some_events()  # the log goes on meanwhile: these are not in the planned package
    carry_on(package.run)
    finished = Package.objects.get()
    assert finished.status == PackageStatus.COMPLETE
    assert finished.event_count == 3
    now = files(package)
    assert left.items() <= now.items()
    assert checking.check_files(finished).awaits_countersignature
    assert len(helpers.events_of(EventType.EVIDENCE_PACKAGE_EXPORTED)) == 1


def test_the_bytes_do_not_depend_on_where_it_was_interrupted(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The whole is made twice from one plan, into two folders."""
    helpers.some_events()
    package = interrupted(world, monkeypatch, "before the record")
    first = files(package)
    for name in first:
        (helpers.file(package).parent / name).unlink()
    carry_on(package.run)
    assert files(package) == first


def test_another_key_meanwhile(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    package = interrupted(world, monkeypatch, "before the zip")
    other = LocalSigner.generate("rsa-sha256")
    monkeypatch.setattr(keys, "signer_for", lambda purpose: other)
    run = carry_on(package.run)
    assert (run.status, run.error_code) == ("FAILED", "signing_key_changed")
    package.refresh_from_db()
    assert (package.status, package.error_code) == (PackageStatus.FAILED, "signing_key_changed")


def test_a_foreign_file_under_the_name_is_not_taken_over(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    package = interrupted(world, monkeypatch, "before the zip")
    helpers.file(package).write_bytes(b"something else")
    run = carry_on(package.run)
    assert "there already" in run.error_message
    package.refresh_from_db()
    assert (package.status, package.error_code) == (PackageStatus.FAILED, "file_exists")


def test_two_processes_finish_it_once(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    package = interrupted(world, monkeypatch, "before the record")
    finish = outcomes.record_success

    def other_first(**options: Any) -> None:
        finish(**options)
        finish(**options)

    monkeypatch.setattr(outcomes, "record_success", other_first)
    assert carry_on(package.run).status == "SUCCESS"
    package.refresh_from_db()
    assert package.is_complete
    assert helpers.file(package).exists()
    assert len(helpers.events_of(EventType.EVIDENCE_PACKAGE_EXPORTED)) == 1
    assert helpers.events_of(EventType.EVIDENCE_PACKAGE_EXPORT_FAILED) == []


def no_space(*args: Any, **kwargs: Any) -> None:
    raise OSError(errno.ENOSPC, "No space left on device", "/secret/place")


def bug(*args: Any, **kwargs: Any) -> None:
    raise TypeError("a secret in a message")


@pytest.mark.parametrize(("fault", "code"), [(no_space, "storage_error"), (bug, "internal_error")])
@pytest.mark.parametrize("where", ["write_new", "_write_sidecars", "_check"])
def test_a_failure_is_seen(
    world: World,
    monkeypatch: pytest.MonkeyPatch,
    fault: Callable[..., None],
    code: str,
    where: str,
) -> None:
    monkeypatch.setattr(publishing, where, fault)
    with pytest.raises(ExportFailed):
        export(world)
    package = Package.objects.get()
    assert (package.status, package.error_code) == (PackageStatus.FAILED, code)
    assert "secret" not in package.error_message
    assert package.completed_at is not None
    assert files(package) == {}
    (event,) = helpers.events_of(EventType.EVIDENCE_PACKAGE_EXPORT_FAILED, package.bundle_id)
    assert event["outcome"] == "failure"
    assert event["data"]["code"] == code
    assert helpers.events_of(EventType.EVIDENCE_PACKAGE_EXPORTED) == []


def test_a_log_that_does_not_verify_is_not_exported(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    helpers.some_events()
    honest = selectors.event_lines

    def forged(**options: Any):
        for seq, line in honest(**options):
            yield seq, line.replace(b"service:tests", b"service:other")

    monkeypatch.setattr(selectors, "event_lines", forged)
    with pytest.raises(ExportFailed):
        export(world)
    assert Package.objects.get().error_code == "audit_log_invalid"


def test_a_line_less_than_the_checkpoint_has_is_noticed(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Lines with right hashes that are not part of the signed tree."""
    from audit.formats import event as events

    helpers.some_events()
    honest = selectors.event_lines

    def forged(**options: Any):
        for seq, line in honest(**options):
            parsed = events.parse_line(line)
            body = parsed.event_bytes.replace(b"service:tests", b"service:other")
            yield seq, events.line(seq, parsed.sealed_at, parsed.prev_hash, body)[0]
            break

    monkeypatch.setattr(selectors, "event_lines", forged)
    with pytest.raises(ExportFailed, match="root"):
        export(world)


def test_a_package_that_does_not_verify_is_not_recorded(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    def damaged(path: Path, data: Any, **options: Any) -> None:
        raw = data if isinstance(data, bytes) else b"".join(data)
        path.write_bytes(raw[:-1] + bytes([raw[-1] ^ 1]))

    monkeypatch.setattr(publishing, "write_new", damaged)
    with pytest.raises(ExportFailed):
        export(world)
    assert Package.objects.get().error_code == "package_self_check_failed"
    assert files(Package.objects.get()) == {}

"""Exports as runs, carried out by processes that a test stops or kills on their way."""

from __future__ import annotations

import os
import signal
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from django.conf import settings as current
from django.db.models.functions import Now

from audit import failpoints
from audit.events import Actor, EventType
from evidence.formats import names
from evidence.models import Package
from evidence.services import checking, exporting
from evidence.services.vault import auditing, opening, reading
from ops import tasks
from ops.models import Run
from ops.services import runs, sweeping
from sealing import digests
from sealing.results import Verdict
from tests.factories import World
from tests.faults import processes
from tests.servers.external import ExternalServer
from tests.services.evidence import helpers

EVENTS = 3
STRICT = {"external_worm": True, "external_kms": True, "external_require_success": True}


def connect(services: ExternalServer, settings: Any) -> None:
    """Points the settings at an archive and a key service, and encrypts what goes to the vault."""
    settings.COMPLIANCE_EVIDENCE_EXTERNAL_WORM_ENDPOINT = services.archive_url
    settings.COMPLIANCE_EVIDENCE_EXTERNAL_KMS_WRAP_ENDPOINT = services.wrap_url
    settings.COMPLIANCE_EVIDENCE_EXTERNAL_KMS_UNWRAP_ENDPOINT = services.unwrap_url
    settings.COMPLIANCE_EVIDENCE_EXTERNAL_AUTH_TOKEN = services.token
    settings.COMPLIANCE_EVIDENCE_EXTERNAL_ALLOWED_NETWORKS = ["127.0.0.0/8"]
    settings.EVIDENCE_VAULT_ENCRYPTION = "local"


def requested(world: World, **options: Any) -> Run:
    """A run that exports the events of a period, queued and not begun."""
    helpers.some_events(count=EVENTS)
    payload = {
        "client_id": "clinic-001",
        "period_start": helpers.START.isoformat(),
        "period_end": helpers.END.isoformat(),
        **options,
    }
    return runs.request_once(
        actor=world.actor("olivia"), job_type=exporting.JOB_TYPE, payload=payload
    )


def delivery(
    run: Run, *, at: str | None = None, what: int = signal.SIGKILL
) -> Callable[[], object]:
    """Work for a process: takes the run as from the queue, and is signalled at a step.

    Args:
        at: the step; ``vault-1:3`` is the third time that it comes there.
    """
    name, _, time = (at or "").partition(":")

    def work() -> None:
        opening._in_s3.cache_clear()  # connections are not shared with the parent
        met: Counter[str] = Counter()

        def listener(reached: str) -> None:
            met[reached] += 1
            if reached == name and met[reached] == int(time or 1):
                os.kill(os.getpid(), what)

        failpoints.listener = listener
        tasks.execute_run(str(run.pk))

    return work


def deliver(run: Run, *, at: str | None = None) -> int:
    """Carries the run out in a process of its own; returns that one's exit code."""
    return processes.finished(processes.start(delivery(run, at=at)))


@contextmanager
def stopped(run: Run, at: str) -> Iterator[int]:
    """A process that carries the run out and has come to a step, where it stays.

    It goes on, and is waited for, when the block ends.
    """
    pid = processes.start(delivery(run, at=at, what=signal.SIGSTOP))
    try:
        assert os.WIFSTOPPED(os.waitpid(pid, os.WUNTRACED)[1])
        yield pid
    finally:
        os.kill(pid, signal.SIGCONT)
        assert processes.finished(pid) == 0


def lose(run: Run) -> sweeping.Swept:
    """Lets the lease of a process that is gone run out, and the sweeper look."""
    Run.objects.filter(pk=run.pk, status="RUNNING").update(lease_expires_at=Now())
    return sweeping.sweep()


def check_success(run: Run, *, none_left: bool = True) -> Package:
    """One package, one event, one copy in the vault that opens to the same bytes, and no more.

    Args:
        none_left: whether nobody can be at work any more.
    """
    run.refresh_from_db()
    assert (run.status, run.error_message) == ("SUCCESS", "")
    package = Package.objects.get()
    assert (package.status, package.event_count) == ("complete", EVENTS)
    assert checking.check_files(package).awaits_countersignature
    assert run.result_summary == exporting.summary(package)
    told = [
        len(helpers.events_of(EventType.EVIDENCE_PACKAGE_EXPORTED)),
        len(helpers.events_of(EventType.EVIDENCE_PACKAGE_EXPORT_FAILED)),
        len(helpers.events_of(EventType.OPS_RUN_SUCCEEDED, str(run.pk))),
    ]
    assert told == [1, 0, 1]
    plain = b"".join(reading.plaintext(package))
    assert plain == helpers.file(package).read_bytes()
    assert digests.sha256_tag(plain) == package.package_sha256
    audit = auditing.audit_vault(actor=Actor.system("tests"))
    assert (audit.verdict, audit.copies) == (Verdict.VALID, 1), audit.as_dict()
    if none_left:
        assert left_over(package) == []
    return package


def check_failure(run: Run) -> Package:
    """Nothing that looks like a package, and the failure told once."""
    run.refresh_from_db()
    assert run.status == "FAILED"
    package = Package.objects.get()
    assert (package.status, package.error_code) == ("failed", run.error_code)
    assert package.error_message == run.error_message
    told = [
        len(helpers.events_of(EventType.EVIDENCE_PACKAGE_EXPORTED)),
        len(helpers.events_of(EventType.EVIDENCE_PACKAGE_EXPORT_FAILED)),
        len(helpers.events_of(EventType.OPS_RUN_FAILED, str(run.pk))),
    ]
    assert told == [0, 1, 1]
    assert list(helpers.file(package).parent.glob("*")) == []
    assert staged(package) == []
    return package


def left_over(package: Package) -> list[str]:
    """Files in the working folder and the vault's staging that no package needs."""
    known = {
        f"{package.bundle_id}{suffix}"
        for suffix in (names.PACKAGE_SUFFIX, names.SIG_SUFFIX, names.SIGNATURE_SUFFIX)
    }
    found = [path.name for path in helpers.file(package).parent.iterdir()]
    return sorted(set(found) - known) + staged(package)


def staged(package: Package) -> list[str]:
    """What lies in a local vault without a place of its own."""
    if package.vault_mode != "local":
        return []
    folder = Path(current.COMPLIANCE_EVIDENCE_VAULT_DIR) / ".staging"
    return sorted(path.name for path in folder.glob("*") if path.name != "adding")

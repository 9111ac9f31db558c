"""Artefacts: evidence of other systems, tied to a control and a period, kept in the vault.

Strongroom does not look into them: a file is bytes, with a digest. The bytes are in the vault
before there is a row and an event; where a process dies in between, the audit of the vault records
what it left.
"""

from __future__ import annotations

import contextlib
import tempfile
import uuid
from datetime import UTC, datetime
from pathlib import Path
from typing import BinaryIO, cast

from django.conf import settings
from django.db import transaction
from django.db.models import QuerySet

from access import policy
from access.models import Client
from access.roles import Action
from audit import failpoints
from audit.events import Actor, EventType
from audit.services import trail
from evidence.formats import artifact_files, names, retention
from evidence.models import Artifact, Deposit, DepositKind
from evidence.services import artifact_recording, submissions
from evidence.services.downloads import Download
from evidence.services.submissions import Submission as Submission  # for those who hand in
from evidence.services.vault import depositing
from evidence.services.vault.base import Source, of_bytes, of_file
from evidence.services.vault.depositing import Committed, Plan
from sealing.errors import NotFound


class ArtifactNotFound(NotFound):
    """There is no such artefact among those that the actor may see."""

    code = "not_found"


def keep(*, actor: Actor, submission: Submission) -> Artifact:
    """Puts a file into the vault and records what it is evidence of.

    Raises:
        OutOfScope, Forbidden: the actor may not hand in anything for this client.
        RequestRefused: naming the field. ArtifactTooLarge.
        TooManyArtifacts: the account has handed in enough for a day.
        VaultNotConfigured: there is no vault. VaultUnavailable: it is full, or can't be reached.
    """
    trail.ensure_enabled()
    policy.require(actor.account, Action.UPLOAD_ARTEFACT, submission.client_id)
    client = _client_of(submission.client_id)
    submissions.ensure_not_too_many(actor)
    sha256, size = submissions.measured(submission.content)
    artifact = submissions.planned(actor, submission, client, sha256, size)
    committed = _deposited(actor, artifact, submission.content)
    failpoints.reach("artifact-1")
    return artifact_recording.record(artifact, committed, actor=actor)


def of_period(
    *,
    client_id: str | None,
    framework: str,
    start: datetime,
    end: datetime,
    before: datetime | None = None,
) -> QuerySet[Artifact]:
    """The artefacts of which the period meets the half-open ``[start, end)``, oldest first.

    Args:
        client_id: whose; None for the platform's packet, which is about every client and none.
        before: leaves out what was received at that moment or later.
    """
    found = Artifact.objects.filter(
        framework=framework, period_start__lt=end, period_end__gt=start
    ).select_related("client", "deposit")
    if client_id is not None:
        found = found.filter(client_id=client_id)
    if before is not None:
        found = found.filter(created_at__lt=before)
    return found.order_by("created_at", "id")


def by_id(*, actor: Actor, artifact_id: uuid.UUID, action: Action = Action.VIEW) -> Artifact:
    """One artefact.

    Raises:
        ArtifactNotFound: there is none that the actor may see.
        Forbidden: it can be seen, but ``action`` needs another role.
    """
    known = Artifact.objects.select_related("client", "deposit", "account", "person")
    found = known.filter(pk=artifact_id).first()
    own = found is not None and actor.account is not None and found.account_id == actor.account.pk
    if found is None or not policy.can(actor.account, Action.VIEW, found.client_id, own=own):
        raise ArtifactNotFound("There is no such artefact among those that you may see.")
    policy.require(actor.account, action, found.client_id, own=own)
    return found


def read(*, actor: Actor, artifact_id: uuid.UUID) -> Download:
    """The file, taken out of the vault, compared, and recorded before it leaves.

    Raises:
        ArtifactNotFound, Forbidden: as `by_id`. VaultUnavailable. VaultDiffers: it is not what was
            put there.
    """
    trail.ensure_enabled()
    artifact = by_id(actor=actor, artifact_id=artifact_id, action=Action.DOWNLOAD)
    file = _copy_of(artifact.deposit, artifact.file_name)
    try:
        with transaction.atomic():
            trail.record(
                EventType.EVIDENCE_ARTIFACT_DOWNLOADED,
                actor=actor,
                client=artifact.client,
                obj=("artifact", str(artifact.pk)),
                data={
                    "file": artifact.file_name,
                    "sha256": artifact.sha256,
                    "size_bytes": artifact.size_bytes,
                },
            )
    except BaseException:
        file.close()
        raise
    return Download(
        artifact.file_name,
        artifact_files.served_type(artifact.media_type),
        artifact.size_bytes,
        artifact.sha256,
        file,
    )


def _client_of(client_id: str | None) -> Client | None:
    if client_id is None:
        return None
    found = Client.objects.filter(pk=client_id).first()
    if found is None:
        raise ArtifactNotFound(
            "There is no such client among those that you may see.", field="client_id"
        )
    return found


def _deposited(actor: Actor, artifact: Artifact, content: Path | bytes) -> Committed:
    now = datetime.now(UTC)
    policy_kept = retention.parse(settings.PACKET_RETENTION_POLICY)
    plan = Plan(
        kind=DepositKind.ARTEFACT,
        client=artifact.client,
        folder="/".join(
            (
                artifact.client_id or names.PLATFORM,
                f"{now:%Y/%m/%d}",
                f"{names.ARTIFACT_PREFIX}{artifact.pk}",
            )
        ),
        mode=depositing.default_mode(),
        retention_policy=policy_kept.name,
        retain_until=policy_kept.until(now),
        period_start=artifact.period_start,
        period_end=artifact.period_end,
    )
    staged = depositing.stage(plan, [_source(artifact, content)])
    try:
        return depositing.commit(
            staged, actor_id=actor.id, about=artifact_recording.about(artifact)
        )
    except BaseException:
        depositing.discard(staged)
        raise


def _source(artifact: Artifact, content: Path | bytes) -> Source:
    if isinstance(content, bytes):
        return of_bytes(artifact.file_name, content)
    return of_file(artifact.file_name, content, artifact.sha256)


def _copy_of(deposit: Deposit, name: str) -> BinaryIO:
    """A file without a name: it can't outlive the process, and its bytes have been compared."""
    scratch = Path(settings.EVIDENCE_PACKAGE_DIR)
    scratch.mkdir(parents=True, exist_ok=True)
    with contextlib.ExitStack() as closing:
        file = closing.enter_context(tempfile.TemporaryFile(dir=scratch))
        for block in depositing.blocks(deposit, name):
            file.write(block)
        file.seek(0)
        closing.pop_all()
    return cast(BinaryIO, file)

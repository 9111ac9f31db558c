"""Reads packages and artefacts for lists, cards and pages."""

from __future__ import annotations

from datetime import timedelta
from typing import Any, Final

from django.db.models import Count, F, Q, QuerySet
from django.utils import timezone

from access import policy
from access.roles import Action
from audit.events import Actor
from evidence.formats import names
from evidence.models import Artifact, Package, PackageStatus
from evidence.services.errors import PackageNotFound, RequestRefused
from sealing.errors import Forbidden

# An export that has been written for longer than this was interrupted.
STALE_AFTER: Final = timedelta(minutes=30)


def packages(
    *, actor: Actor, client_id: str | None = None, status: str | None = None
) -> QuerySet[Package]:
    """The packages that the actor may see.

    Raises:
        Forbidden: The actor has no role anywhere.
        NotFound: The client is not in the actor's scope.
        Invalid: There is no such status.
    """
    scope = policy.scope(actor.account, Action.VIEW)
    if not scope:
        raise Forbidden("Your roles do not allow this.")
    found = visible(actor.account).select_related("client", "maker", "signature__key", "timestamp")
    found = found.prefetch_related("countersignatures")
    if client_id is not None:
        if not names.is_client_folder(client_id) or not scope.covers(client_id):
            raise PackageNotFound("There is no such client among those that you may see.")
        found = found.filter(client_id=client_id)
    if status is not None:
        if status not in PackageStatus.values:
            raise RequestRefused(f"One of {', '.join(PackageStatus.values)}.", field="status")
        found = found.filter(status=status)
    return found


def visible(user: Any, among: QuerySet[Package] | None = None) -> QuerySet[Package]:
    """The packages that an account may look at: of its clients, or those that it made."""
    own = Q(maker_account_id=getattr(user, "pk", None))
    return policy.visible(Package.objects.all() if among is None else among, user, own=own)


def artifacts(
    *,
    actor: Actor,
    client_id: str | None = None,
    framework: str | None = None,
    control_id: str | None = None,
) -> QuerySet[Artifact]:
    """The artefacts that the actor may see.

    Raises:
        Forbidden: The actor has no role anywhere.
        NotFound: The client is not in the actor's scope.
    """
    scope = policy.scope(actor.account, Action.VIEW)
    if not scope:
        raise Forbidden("Your roles do not allow this.")
    found = visible_artifacts(actor.account).select_related(
        "client", "deposit", "person", "account"
    )
    found = found.prefetch_related("deposit__locks")
    if client_id is not None:
        if not names.is_client_folder(client_id) or not scope.covers(client_id):
            raise PackageNotFound("There is no such client among those that you may see.")
        found = found.filter(client_id=client_id)
    if framework is not None:
        found = found.filter(framework=framework)
    return found if control_id is None else found.filter(control_id=control_id)


def visible_artifacts(user: Any, among: QuerySet[Artifact] | None = None) -> QuerySet[Artifact]:
    """The artefacts that an account may look at: of its clients, or those that it handed in."""
    own = Q(account_id=getattr(user, "pk", None))
    rows = Artifact.objects.all() if among is None else among
    return policy.visible(rows, user, own=own)


def awaiting_countersignature(user: Any) -> QuerySet[Package]:
    """Packages that ``user`` could countersign and that lack a countersignature."""
    person_id = getattr(user, "person_id", None)
    if person_id is None:
        return Package.objects.none()
    same_human = policy.people_of(person_id)
    return (
        policy.visible(Package.objects.all(), user, action=Action.COUNTERSIGN)
        .filter(status=PackageStatus.COMPLETE, required_countersignatures__gt=0)
        .exclude(maker_id__in=same_human)
        .exclude(countersignatures__person_id__in=same_human)
        .annotate(countersigned=Count("countersignatures"))
        .filter(countersigned__lt=F("required_countersignatures"))
    )


def failed(user: Any) -> QuerySet[Package]:
    """Exports that failed, or were interrupted and never taken up again."""
    stale = timezone.now() - STALE_AFTER
    return visible(user).filter(
        Q(status=PackageStatus.FAILED) | Q(status=PackageStatus.WRITING, created_at__lt=stale)
    )

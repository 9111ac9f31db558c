"""Finds packages by the names that people give, within what they may see."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from django.conf import settings

from access import policy
from access.models import Client
from access.roles import Action
from audit.events import Actor
from evidence.formats import names
from evidence.models import Package
from evidence.services.errors import PackageNotFound, RequestRefused
from sealing.errors import Invalid
from sealing.files import safe_join


@dataclass(frozen=True, slots=True)
class Located:
    """A package's name in the actor's scope, and its record where there is one."""

    name: names.PackageName
    package: Package | None


def by_path(*, actor: Actor, package_path: str, action: Action = Action.VIEW) -> Located:
    """The package that ``package_path`` names.

    Whatever is not a name in the actor's own scope (another client's, a parent, an absolute
    path) gets one and the same answer, whether or not there is such a file.

    Raises:
        PackageNotFound: The name is not in scope.
        Forbidden: It is, but ``action`` needs another role.
    """
    try:
        name = names.parse_package_path(package_path)
    except Invalid as error:
        raise _nothing() from error
    client = None
    if name.client_id is not None:
        client = Client.objects.filter(pk=name.client_id).first()
        if client is None:
            raise _nothing()
    package = Package.objects.filter(bundle_id=name.bundle_id, client_id=name.client_id).first()
    own = package is not None and is_own(actor, package)
    if client is None and not policy.can(actor.account, Action.VIEW, None, own=own):
        raise _nothing()
    # Whoever has no role for the client gets 404, whoever has another role 403: neither answer
    # depends on whether there is such a package.
    policy.require(actor.account, action, client, own=own)
    return Located(name, package)


def by_bundle_id(*, actor: Actor, bundle_id: str, action: Action = Action.VIEW) -> Package:
    """The package of that id.

    Raises:
        PackageNotFound: There is none that the actor may see.
        Forbidden: It can be seen, but ``action`` needs another role.
    """
    known = names.is_bundle_id(bundle_id)
    package = Package.objects.filter(bundle_id=bundle_id).first() if known else None
    if package is None:
        raise _nothing()
    own = is_own(actor, package)
    if not policy.can(actor.account, Action.VIEW, package.client_id, own=own):
        raise _nothing()
    policy.require(actor.account, action, package.client_id, own=own)
    return package


def is_own(actor: Actor, package: Package) -> bool:
    """Whether the account made the package: some roles see nothing else."""
    return actor.account is not None and package.maker_account_id == actor.account.pk


def file_of(name: names.PackageName, suffix: str) -> Path:
    """Where a file of a package lies."""
    return safe_join(Path(settings.EVIDENCE_PACKAGE_DIR), name.sidecar(suffix))


def sidecar_path(name: names.PackageName, given: str, *, suffix: str, field: str) -> Path:
    """Where a file lies that a request names explicitly: beside the package, of the same kind.

    Raises:
        RequestRefused: The file would lie elsewhere, or have another ending.
    """
    folder, _, file_name = given.rpartition("/")
    stem = file_name.removesuffix(suffix)
    if folder != name.folder or stem == file_name or not names.is_bundle_id(stem):
        raise RequestRefused(
            f"This file lies beside the package, in {name.folder}/, and ends in {suffix}.",
            field=field,
        )
    return safe_join(Path(settings.EVIDENCE_PACKAGE_DIR), given)


def _nothing(what: str = "package") -> PackageNotFound:
    return PackageNotFound(f"There is no such {what} among those that you may see.")

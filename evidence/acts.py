"""Acts of this room that another person has to approve."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from access.roles import Action
from audit.events import Actor
from evidence.formats import names
from evidence.models import Package
from evidence.services.vault import locks
from evidence.services.vault.errors import VaultUnavailable
from ops.acts import params as read
from ops.approvable import Approvable, register
from sealing.errors import Invalid, NotFound
from sealing.times import format_time, parse_rfc3339, parse_time

EXTEND = "package.retention.extend"


def connect() -> None:
    """Registers the acts; called once, at start-up."""
    register(
        Approvable(
            name=EXTEND,
            label="Lock a package for longer",
            propose=Action.PROPOSE_RETENTION,
            approve=Action.APPROVE_RETENTION,
            validate=_validate,
            check=_ensure_later,
            client_of=_client_of,
            subject=_lock_as_it_is,
            describe=_describe,
            execute=_execute,
            consequences=(
                "The copy in the vault, its signatures and its key envelope stay until then.",
                "In S3 every object of the package is locked anew, in compliance mode.",
            ),
            irreversible=("A lock never gets shorter: nobody can take this back.",),
            does_io=True,
        )
    )


def _package(params: Mapping[str, Any]) -> Package:
    package = Package.objects.filter(bundle_id=params["bundle_id"]).first()
    if package is None:
        raise NotFound("There is no such package.", field="bundle_id")
    return package


def _validate(params: Mapping[str, Any]) -> dict[str, Any]:
    read.ensure_members(params, "bundle_id", "until")
    if not names.is_bundle_id(read.text(params, "bundle_id")):
        raise Invalid("The id of a package is expected.", field="bundle_id")
    return {"bundle_id": params["bundle_id"], "until": format_time(_until(params))}


def _ensure_later(params: Mapping[str, Any]) -> None:
    locks.check_later(locks.current(_package(params)), parse_time(params["until"]))


def _until(params: Mapping[str, Any]) -> datetime:
    try:
        return parse_rfc3339(read.text(params, "until"))
    except Invalid as error:
        raise Invalid(error.message, field="until") from error


def _client_of(params: Mapping[str, Any]) -> str | None:
    return _package(params).client_id


def _lock_as_it_is(params: Mapping[str, Any]) -> dict[str, Any]:
    package = _package(params)
    until = format_time(locks.current(package).retain_until)
    return {"package_sha256": package.package_sha256, "retain_until": until}


def _describe(params: Mapping[str, Any]) -> list[tuple[str, Any]]:
    package = _package(params)
    lock = locks.current(package)
    return [
        ("Package", package.bundle_id),
        ("Client", package.client or "Platform"),
        ("Digest", package.package_sha256),
        ("Retention policy", lock.retention_policy),
        ("Locked until", lock.retain_until),
        ("To be locked until", parse_time(params["until"])),
        ("Legal holds", ", ".join(lock.legal_holds) or "None"),
    ]


def _execute(actor: Actor, params: Mapping[str, Any], secrets: Mapping[str, str]) -> dict[str, Any]:
    package = _package(params)
    try:
        locks.extend(actor=actor, package=package, until=parse_time(params["until"]))
    except VaultUnavailable as error:
        # It is decided and stored; the vault follows as soon as it can be reached.
        return _told(package) | {"not_yet": error.message}
    return _told(package)


def _told(package: Package) -> dict[str, Any]:
    lock = locks.current(package)
    return {"lock": lock.number, "retain_until": format_time(lock.retain_until)}

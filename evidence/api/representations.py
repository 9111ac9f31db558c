"""How packages and countersignatures are told as JSON."""

from __future__ import annotations

from typing import Any

from django.urls import reverse
from rest_framework.request import Request

from evidence.formats import names
from evidence.models import CountersignEntry, Package
from evidence.services.downloads import file_names
from evidence.services.exporting import summary
from sealing import canonical
from sealing.times import format_time


def package(found: Package, request: Request) -> dict[str, Any]:
    """One package."""
    return {
        "bundle_id": found.bundle_id,
        "client_id": found.client_id,
        "status": found.status,
        "period": {"start": format_time(found.period_start), "end": format_time(found.period_end)},
        "maker": {"person": str(found.maker_id), "name": found.maker.display_name},
        "note": found.note,
        "retention_policy": found.retention_policy,
        "vault_mode": found.vault_mode,
        "generated_at": format_time(found.generated_at),
        "package_path": found.package_path,
        "package_sha256": found.package_sha256 or None,
        "size_bytes": found.size_bytes,
        "events": found.event_count,
        "signature_enabled": found.required_signatures > 0,
        "signature": _signature(found),
        "required_countersignatures": found.required_countersignatures,
        "countersign_count": len(found.countersignatures.all()),
        "files": found.files,
        "downloads": [
            reverse("evidence-file", args=[found.bundle_id, name]) for name in file_names(found)
        ],
        "error_code": found.error_code or None,
        "error_message": found.error_message or None,
        "verify_url": request.build_absolute_uri(reverse("evidence-verify")),
    }


def exported(found: Package, request: Request) -> dict[str, Any]:
    """A package that was just made, and what came of vault and external archives."""
    return package(found, request) | summary(found) | {"run_id": str(found.run_id)}


def countersigned(entry: CountersignEntry) -> dict[str, Any]:
    """The countersign file after this entry was added."""
    return {
        "package_path": entry.package.package_path,
        "package_sha256": entry.digest,
        "countersign_path": entry.package.name.sidecar(names.COUNTERSIGN_SUFFIX),
        "entry_count": entry.number,
        "last_entry": canonical.loads(entry.entry.encode()),
    }


def _signature(found: Package) -> dict[str, Any] | None:
    if not found.is_complete or not found.required_signatures:
        return None
    signature = found.signature
    return {
        "signer": signature.signer,
        "signing_key_id": signature.key.key_id,
        "algorithm": signature.algorithm,
        "signed_at": format_time(signature.signed_at),
        "digest": signature.digest,
    }

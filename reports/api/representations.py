"""How packets are told as JSON."""

from __future__ import annotations

from typing import Any

from django.urls import reverse
from rest_framework.request import Request

from reports.formats import names
from reports.models import Packet
from reports.services.outcomes import PDF_TYPE, SIG_TYPE
from sealing.times import format_time


def packet(found: Packet, request: Request) -> dict[str, Any]:
    """One packet."""
    return {
        "name": found.name,
        "framework": found.framework,
        "client_id": found.client_id,
        "auditPeriod": {
            "startDate": format_time(found.period_start),
            "endDate": format_time(found.period_end),
        },
        # Of a period that went on, a packet tells what there was until then.
        "period_was_over": found.generated_at >= found.period_end,
        "revision": found.revision,
        "reason": found.reason or None,
        "status": found.status,
        "run_id": str(found.run_id) if found.run_id else None,
        "maker": None
        if found.maker is None
        else {"person": str(found.maker_id), "name": found.maker.display_name},
        "generated_at": format_time(found.generated_at),
        "tree_size": found.tree_size,
        "signing_key_id": found.signing_key.key_id,
        "json_sha256": found.json_sha256 or None,
        "pdf_sha256": found.pdf_sha256 or None,
        "required_countersignatures": found.required_countersignatures,
        "countersignature": _countersignature(found),
        "retention_policy": found.retention_policy,
        "retain_until": format_time(found.retain_until),
        "vault_folder": None if found.deposit is None else found.deposit.folder,
        "timestamp_status": found.timestamp_status or None,
        "summary": found.summary,
        "files": _files(found, request),
        "error_code": found.error_code or None,
        "error_message": found.error_message or None,
        "verify_url": request.build_absolute_uri(reverse("packet-verify")),
    }


def _countersignature(found: Packet) -> dict[str, Any] | None:
    if not hasattr(found, "countersignature"):
        return None
    signed = found.countersignature
    return {
        "person": str(signed.person_id),
        "name": signed.person.display_name,
        "signer": signed.signer,
        "signing_key_id": signed.key.key_id,
        "signed_at": format_time(signed.signed_at),
        "meaning": signed.meaning,
        "note": signed.note,
        "pdf_sha256": signed.pdf_sha256,
    }


def _files(found: Packet, request: Request) -> list[dict[str, Any]]:
    """What can be fetched; the size of what countersigning added is told of the PDF alone."""
    entries = [dict(entry) for entry in found.files] if found.is_complete else []
    if entries and hasattr(found, "countersignature"):
        signed, final = found.countersignature, names.files(found.name)
        entries += [
            {
                "name": final.countersigned,
                "size_bytes": signed.pdf_size_bytes,
                "sha256": signed.pdf_sha256,
                "media_type": PDF_TYPE,
            },
            {
                "name": final.countersigned_sig,
                "size_bytes": None,
                "sha256": signed.sig_sha256,
                "media_type": SIG_TYPE,
            },
        ]
    for entry in entries:
        address = reverse("packet-file", args=[found.name, entry["name"]])
        entry["url"] = request.build_absolute_uri(address)
    return entries

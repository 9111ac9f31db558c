"""Makes the document of a packet from its stored plan. Reads; writes no record."""

from __future__ import annotations

from typing import Any

from django.conf import settings

from access.models import Person
from audit.formats import checkpoint as checkpoints
from evidence.formats.manifest import GENERATOR
from evidence.services.watching import Watch
from reports import catalogue
from reports.facts import registry
from reports.facts.base import Scope, as_dict
from reports.facts.snapshot import snapshot
from reports.formats import document, names, sampling
from reports.formats.period import Period
from reports.models import Packet
from reports.services import annexes, listing, observing, revisions, samples, summary
from reports.services.assessed import Assessed, assessments_of
from sealing import digests, notes
from sealing.times import format_time


def document_of(packet: Packet, *, watch: Watch) -> dict[str, Any]:
    """The document of a packet: every number at one moment of the database.

    It is called outside of transactions. What it reads of the log is fixed by the plan; so is what
    it reads of other records, as far as they keep the times of their changes.

    Args:
        packet: the stored plan.
        watch: is told how far it is, and stops an attempt that is no longer held.

    Raises:
        LogInvalid: the lines of the log do not lead to the root that the checkpoint signs.
        RevisionLost: the document of the revision before is neither in the working folder nor in
            the vault.
    """
    scope = scope_of(packet)
    watch.progress(0, step="reading the revision before")
    before = revisions.before(packet)
    watch.progress(0, step="computing the facts")
    with snapshot():
        made = _made(packet, scope, before)
    watch.ensure_held()
    return made


def scope_of(packet: Packet) -> Scope:
    """What the facts of a packet are about."""
    return Scope(
        packet.client_id,
        packet.period_start,
        packet.period_end,
        packet.tree_size,
        packet.generated_at,
    )


def _made(packet: Packet, scope: Scope, before: revisions.Former | None) -> dict[str, Any]:
    specs = catalogue.in_scope(packet.framework, frozenset(packet.categories))
    signed = checkpoints.parse(notes.parse_note(packet.checkpoint.encode()).text)
    facts = _facts(specs, scope)
    seed = sampling.seed_of(packet.name, signed.root)
    sampled = samples.of(specs, scope, seed=seed, root=signed.root)
    listed = listing.artifacts_of(packet)
    found = assessments_of(packet)
    controls = [
        _control(spec, facts, found.get(spec.control_id), sampled, listed.kept) for spec in specs
    ]
    return {
        "schema": document.SCHEMA,
        "packetId": packet.name,
        "framework": packet.framework,
        "revision": packet.revision,
        "supersedes": revisions.supersedes(packet, before, facts),
        "client": _client(packet),
        "auditPeriod": Period(packet.period_start, packet.period_end).as_dict(),
        "generatedAt": format_time(packet.generated_at),
        "generator": GENERATOR,
        "maker": person(packet.maker),
        "categories": sorted({catalogue.SECURITY, *packet.categories}),
        "log": {
            "origin": signed.origin,
            "treeSize": signed.size,
            "rootHash": digests.b64(signed.root),
            "checkpoint": packet.checkpoint,
        },
        "signaturePolicy": {
            "signatures": 1,
            "countersignatures": packet.required_countersignatures,
        },
        "executiveSummary": summary.of(scope, facts, [item["state"] for item in controls]),
        "facts": facts,
        "controls": controls,
        "sampling": {
            "method": sampling.METHOD,
            "seed": seed.hex(),
            "perControl": sampling.PER_CONTROL,
            "populations": [
                {"controlId": spec.control_id, "events": sampled.sizes[spec.control_id]}
                for spec in specs
            ],
        },
        "samples": sampled.as_dict(),
        "artifacts": [item.as_dict() for item in listed.kept],
        "artifactListing": listed.as_dict(),
        "annexes": annexes.of(scope),
        "completeness": observing.completeness(packet, scope),
        "verification": _verification(packet),
    }


def _facts(specs: tuple[catalogue.ControlSpec, ...], scope: Scope) -> dict[str, Any]:
    return {
        fact.name: as_dict(fact, registry.measure(fact, scope))
        for fact in registry.facts_for(spec.control_id for spec in specs)
    }


def _control(
    spec: catalogue.ControlSpec,
    facts: dict[str, Any],
    found: Assessed | None,
    sampled: samples.Sampled,
    kept: list[listing.Kept],
) -> dict[str, Any]:
    assessment = None if found is None else found.as_dict()
    return {
        "controlId": spec.control_id,
        "series": spec.series,
        "description": spec.label,
        "state": "not assessed" if assessment is None else assessment["state"],
        "assessment": assessment,
        "testingResults": [
            {"fact": name} | {key: facts[name][key] for key in ("label", "value", "unit", "source")}
            for name in registry.names_of(spec)
        ],
        "sampleEvidence": [
            *sampled.of_control(spec.control_id),
            *(item.as_sample() for item in kept if item.control_id == spec.control_id),
        ],
    }


def _client(packet: Packet) -> dict[str, str] | None:
    if packet.client is None:
        return None
    return {"id": packet.client.pk, "name": packet.client.name}


def person(found: Person | None) -> dict[str, str] | None:
    """A person as documents name one."""
    return None if found is None else {"person": str(found.pk), "name": found.display_name}


def _verification(packet: Packet) -> dict[str, Any]:
    key_id, files = packet.signing_key.key_id, names.files(packet.name)
    key_url = f"{settings.PUBLIC_URL}/api/compliance/public-key"
    return {
        "signingKeyId": key_id,
        "publicKeyUrl": f"{key_url}?key_id={key_id}",
        "verifyUrl": f"{settings.PUBLIC_URL}/api/compliance/packets/verify",
        "verifyPage": f"{settings.PUBLIC_URL}/verify/",
        "commands": [
            f'curl -o public_key.pem "{key_url}?key_id={key_id}"',
            f"base64 -d {files.json_sig} > {files.json_sig}.bin",
            "openssl dgst -sha256 -verify public_key.pem"
            f" -signature {files.json_sig}.bin {files.json}",
            f"base64 -d {files.pdf_sig} > {files.pdf_sig}.bin",
            "openssl dgst -sha256 -verify public_key.pem"
            f" -signature {files.pdf_sig}.bin {files.pdf}",
            f"pdfsig {files.pdf}",
        ],
    }

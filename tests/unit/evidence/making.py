"""Makes packages in memory, with real keys and a real little log: no database, no disk."""

from __future__ import annotations

import hashlib
import io
import uuid
import zlib
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from functools import cache
from itertools import pairwise

from audit.formats import checkpoint as checkpoints
from audit.formats import event as events
from evidence.formats import contents, countersign, manifest, readme, signature
from evidence.formats.completeness import Completeness
from evidence.formats.contents import ArchivePolicy, ChainVerdict, Proofs
from evidence.formats.manifest import ExportRequest, Manifest, Summary
from evidence.formats.package import MANIFEST, Member, package_chunks
from evidence.formats.verification import Sidecars
from sealing import digests, merkle
from sealing.keys import Signers, TrustedKey
from sealing.results import Verdict
from sealing.signers.local import LocalSigner
from sealing.times import format_time

ORIGIN = "strongroom.test/audit"
CLIENT = "clinic-001"
START = datetime(2026, 1, 1, tzinfo=UTC)
END = datetime(2026, 2, 1, tzinfo=UTC)
MADE = datetime(2026, 2, 2, 9, 30, tzinfo=UTC)
MAKER = "11111111-1111-4111-8111-111111111111"
OFFICER = "22222222-2222-4222-8222-222222222222"
THIRD = "33333333-3333-4333-8333-333333333333"
BUNDLE = "evidence_20260202T093000Z_0a1b2c3d"


@cache
def key(name: str) -> LocalSigner:
    """One key for each name, made once: RSA for packages, Ed25519 for the rest."""
    return LocalSigner.generate("rsa-sha256" if name.startswith("package") else "ed25519")


def trusted(name: str, purpose: str, person: str | None = None, **changes: object) -> TrustedKey:
    signer = key(name)
    entry = TrustedKey(
        signer_kid=signer.key_id,
        name=name,
        person=person,
        purposes=(purpose,),
        algorithm=signer.algorithm,
        public_key_pem=signer.public_key_pem,
        status="active",
        not_before="2020-01-01T00:00:00.000000Z",
        not_after=None,
        compromised_at=None,
    )
    return replace(entry, **changes)


def signers(*others: TrustedKey) -> Signers:
    keys = {
        entry.signer_kid: entry
        for entry in (
            trusted("package", "package"),
            trusted("checkpoint", "checkpoint"),
            trusted("officer", "countersign", OFFICER),
            trusted("third", "countersign", THIRD),
            trusted("maker", "countersign", MAKER),
            *others,
        )
    }
    return Signers(ORIGIN, tuple(keys.values()))


def log_lines(count: int = 9) -> list[tuple[int, bytes]]:
    """A log in which every third event concerns another client; the last one arrived late."""
    lines = []
    prev = events.genesis_hash(ORIGIN)
    for seq in range(count):
        occurred = START + timedelta(hours=seq)
        sealed = occurred + timedelta(seconds=1 if seq < count - 1 else 200_000)
        event = events.build(
            id=str(uuid.UUID(int=seq + (7 << 76) + (2 << 62))),
            type="vault.door.opened" if seq % 2 else "vault.door.closed",
            occurred_at=format_time(occurred),
            actor={"id": "user:alice"},
            recorder="strongroom",
            client_id="clinic-002" if seq % 3 == 2 else CLIENT,
            data={"door": seq},
        )
        line, prev = events.line(seq, format_time(sealed), prev, event)
        lines.append((seq, line))
    return lines


@dataclass
class Recipe:
    """A package as it should be; tests change one thing of it."""

    client_id: str | None = CLIENT
    countersignatures: int = 1
    signatures: int = 1
    event_types: tuple[str, ...] | None = None
    checkpoint_key: str = "checkpoint"
    checkpoint_origin: str = ORIGIN
    package_key: str = "package"
    secret: bytes = b""
    log: list[tuple[int, bytes]] = field(default_factory=log_lines)
    chosen: list[tuple[int, bytes]] | None = None
    period: tuple[datetime, datetime] = (START, END)
    replaced: dict[str, bytes] = field(default_factory=dict)
    added: dict[str, bytes] = field(default_factory=dict)
    manifest_changes: dict[str, object] = field(default_factory=dict)


@dataclass(frozen=True)
class Made:
    """A package with its sidecars."""

    data: bytes
    sidecars: Sidecars
    manifest: Manifest

    @property
    def digest(self) -> str:
        return digests.sha256_tag(self.data)

    def with_(self, **sidecars: bytes | None) -> Sidecars:
        return replace(self.sidecars, **sidecars)


def member(name: str, data: bytes) -> Member:
    return Member(name, len(data), zlib.crc32(data), lambda: io.BytesIO(data))


def zipped(files: dict[str, bytes]) -> bytes:
    return b"".join(package_chunks(member(name, data) for name, data in files.items()))


def make(recipe: Recipe | None = None, *, countersign_with: tuple[str, ...] = ("officer",)) -> Made:
    """The package of a recipe, signed and countersigned."""
    recipe = recipe or Recipe()
    described, files = members(recipe)
    data = zipped(files)
    sidecars = sign(recipe, described, files[MANIFEST], data)
    if sidecars.signature is not None and countersign_with:
        raw = countersigned(described, digests.sha256_tag(data), sidecars, countersign_with)
        sidecars = replace(sidecars, countersign=raw)
    return Made(data, sidecars, described)


def members(recipe: Recipe) -> tuple[Manifest, dict[str, bytes]]:
    chosen = recipe.chosen
    if chosen is None:
        chosen = [pair for pair in recipe.log if b'"client_id":"clinic-001"' in pair[1]]
    raw_lines = b"".join(line + b"\n" for _, line in chosen)
    files = _files(recipe, chosen, raw_lines)
    files.update(recipe.replaced)
    files.update(recipe.added)
    summary = Summary(
        events=len(chosen),
        first_seq=chosen[0][0] if chosen else None,
        last_seq=chosen[-1][0] if chosen else None,
        tree_size=len(recipe.log),
    )
    described = Manifest(
        bundle_id=BUNDLE,
        client_id=recipe.client_id,
        run_id=None,
        maker=MAKER,
        period_start=format_time(recipe.period[0]),
        period_end=format_time(recipe.period[1]),
        generated_at=format_time(MADE),
        generator=manifest.GENERATOR,
        request=ExportRequest(
            event_types=recipe.event_types,
            kms_key_id=None,
            note="",
            package_prefix="evidence",
            required_countersignatures=recipe.countersignatures,
            retention_policy="hipaa_6y",
            sign_bundle=recipe.signatures > 0,
            vault_mode="none",
        ),
        summary=summary,
        signatures=recipe.signatures,
        countersignatures=recipe.countersignatures,
        files=(),
    )
    files.setdefault(contents.README, readme.build(described))
    described = replace(
        described,
        files=manifest.file_entries(
            (name, len(data), digests.sha256_tag(data)) for name, data in files.items()
        ),
    )
    described = replace(described, **recipe.manifest_changes)
    files[MANIFEST] = manifest.build(described)
    return described, files


def _files(recipe: Recipe, chosen: list[tuple[int, bytes]], raw_lines: bytes) -> dict[str, bytes]:
    leaves = [digests.sha256(b"\0" + events.leaf_part(line)) for _, line in recipe.log]
    tree = merkle.MemoryTree(leaves)
    indexes = [seq for seq, _ in chosen]
    hashes = merkle.compact_proof(indexes, tree.size, tree.node) if indexes else [tree.root()]
    links = sum(b - a == 1 for a, b in pairwise(indexes))
    note = checkpoints.Checkpoint(
        recipe.checkpoint_origin, tree.size, tree.root(), leaves[-1], format_time(MADE)
    )
    verdict = Verdict.VALID if chosen else Verdict.INCONCLUSIVE
    return {
        contents.ARCHIVE_POLICY: ArchivePolicy("hipaa_6y", "none", None).build(),
        contents.CHAIN_VERIFY: ChainVerdict(
            verdict, len(chosen), links, None, tree.size, "Looked at."
        ).build(),
        contents.CHECKPOINT: checkpoints.sign(note, key(recipe.checkpoint_key)),
        contents.COMPLETENESS: Completeness(
            tree.size, 0, 0, len(chosen), late_of(chosen), True
        ).build(),
        contents.EVENTS: raw_lines,
        contents.PROOFS: Proofs(tree.size, tuple(indexes), tuple(hashes)).build(),
    }


def late_of(chosen: list[tuple[int, bytes]]) -> tuple[tuple[int, int], ...]:
    return tuple((seq, seq) for seq, _ in chosen if seq == 8)


def sign(recipe: Recipe, described: Manifest, raw_manifest: bytes, data: bytes) -> Sidecars:
    if not recipe.signatures:
        return Sidecars()
    signer = key(recipe.package_key)
    document = signature.build(
        manifest=described,
        manifest_digest=digests.sha256_tag(raw_manifest),
        digest=digests.sha256_tag(data),
        signer=signer,
        signer_name="package",
        signed_at=format_time(MADE),
        secret=recipe.secret,
    )
    return Sidecars(sig=signature.sig_file(signer.sign(data)), signature=document)


def entry(
    described: Manifest,
    digest: str,
    previous: str,
    *,
    name: str = "officer",
    number: int = 1,
    **changes: str,
) -> bytes:
    """One countersignature; ``changes`` are made to what is signed."""
    person = {"officer": OFFICER, "third": THIRD, "maker": MAKER}.get(name, OFFICER)
    statement = countersign.Statement(
        signer=name,
        person=person,
        signing_key_id=key(name).key_id,
        signed_at=format_time(MADE + timedelta(hours=number)),
        digest=digest,
        meaning="reviewed and approved",
        note="",
        nonce=hashlib.sha256(str(number).encode()).hexdigest()[:32],
        previous=previous,
    )
    return countersign.sign_entry(
        statement=replace(statement, **changes), bundle_id=described.bundle_id, signer=key(name)
    )


def countersigned(
    described: Manifest, digest: str, sidecars: Sidecars, names: tuple[str, ...]
) -> bytes:
    entries: list[bytes] = []
    for number, name in enumerate(names, start=1):
        assert sidecars.signature is not None
        previous = countersign.previous_of(signature_raw=sidecars.signature, entries=entries)
        entries.append(entry(described, digest, previous, name=name, number=number))
    return countersign.build(
        package_path=described.name.path, package_sha256=digest, entries=entries
    )

"""``manifest.json``: what a package holds and which signatures it needs."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Final

from evidence.formats import names
from evidence.formats.fields import Fields, document, refuse
from evidence.formats.package import MANIFEST
from sealing.canonical import document as encode
from sealing.times import parse_time

FORMAT: Final = "strongroom/package/v1"
GENERATOR: Final = "strongroom/0.1.0"
MAX_MANIFEST_BYTES: Final = 32 << 20
MAX_COUNTERSIGNATURES: Final = 8

_KEYS: Final = (
    "format", "bundle_id", "client_id", "run_id", "maker", "period", "generated_at", "generator",
    "request", "summary", "signature_policy", "files",
)  # fmt: skip
_FILE_KEYS: Final = ("name", "relative_path", "size_bytes", "sha256", "media_type")
_REQUEST_KEYS: Final = (
    "event_types", "kms_key_id", "note", "package_prefix", "required_countersignatures",
    "retention_policy", "sign_bundle", "vault_mode",
)  # fmt: skip
_SUMMARY_KEYS: Final = ("events", "first_seq", "last_seq", "tree_size")

MEDIA_TYPES: Final[Mapping[str, str]] = {
    "json": "application/json",
    "jsonl": "application/jsonl",
    "txt": "text/plain; charset=utf-8",
    "": "text/plain; charset=utf-8",
}


@dataclass(frozen=True, slots=True)
class FileEntry:
    """A member as the manifest lists it."""

    path: str
    size_bytes: int
    sha256: str
    media_type: str

    @property
    def name(self) -> str:
        """The last part of the path."""
        return self.path.rpartition("/")[2]

    def as_dict(self) -> dict[str, Any]:
        """The JSON form."""
        return {
            "name": self.name,
            "relative_path": self.path,
            "size_bytes": self.size_bytes,
            "sha256": self.sha256,
            "media_type": self.media_type,
        }


@dataclass(frozen=True, slots=True)
class ExportRequest:
    """What the maker asked for, as far as it shaped the package."""

    event_types: tuple[str, ...] | None
    kms_key_id: str | None
    note: str
    package_prefix: str
    required_countersignatures: int
    retention_policy: str
    sign_bundle: bool
    vault_mode: str

    def as_dict(self) -> dict[str, Any]:
        """The JSON form."""
        types = None if self.event_types is None else list(self.event_types)
        return {key: getattr(self, key) for key in _REQUEST_KEYS} | {"event_types": types}


@dataclass(frozen=True, slots=True)
class Summary:
    """How many events were included, their first and last number, and the size of the log."""

    events: int
    first_seq: int | None
    last_seq: int | None
    tree_size: int

    def as_dict(self) -> dict[str, Any]:
        """The JSON form."""
        return {key: getattr(self, key) for key in _SUMMARY_KEYS}


@dataclass(frozen=True, slots=True)
class Manifest:
    """A manifest that was read, or is about to be written."""

    bundle_id: str
    client_id: str | None
    run_id: str | None
    maker: str
    period_start: str
    period_end: str
    generated_at: str
    generator: str
    request: ExportRequest
    summary: Summary
    signatures: int
    countersignatures: int
    files: tuple[FileEntry, ...]

    @property
    def name(self) -> names.PackageName:
        """Where the package belongs."""
        return names.PackageName(self.client_id, self.bundle_id)

    @property
    def signature_policy(self) -> dict[str, int]:
        """How many signatures of the service and of officers the package needs."""
        return {"signatures": self.signatures, "countersignatures": self.countersignatures}


def media_type(path: str) -> str:
    """The media type of a member, by its ending."""
    name = path.rpartition("/")[2]
    ending = name.rpartition(".")[2] if "." in name else ""
    return MEDIA_TYPES.get(ending, "application/octet-stream")


def build(manifest: Manifest) -> bytes:
    """The bytes of ``manifest.json``.

    Raises:
        Invalid: For values that canonical JSON cannot hold.
    """
    return encode(
        {
            "format": FORMAT,
            "bundle_id": manifest.bundle_id,
            "client_id": manifest.client_id,
            "run_id": manifest.run_id,
            "maker": manifest.maker,
            "period": {"start": manifest.period_start, "end": manifest.period_end},
            "generated_at": manifest.generated_at,
            "generator": manifest.generator,
            "request": manifest.request.as_dict(),
            "summary": manifest.summary.as_dict(),
            "signature_policy": manifest.signature_policy,
            "files": [entry.as_dict() for entry in manifest.files],
        }
    )


def parse(raw: bytes) -> Manifest:
    """Read ``manifest.json``.

    Raises:
        Invalid: When it is not canonical, or not of this form; the place is named.
    """
    top = Fields(document(raw, max_bytes=MAX_MANIFEST_BYTES), required=_KEYS)
    top.constant("format", FORMAT)
    period = top.object("period", required=("start", "end"))
    start, end = period.time("start"), period.time("end")
    if parse_time(start) >= parse_time(end):
        raise refuse("/period/end", "the end must be later than the start.")
    policy = top.object("signature_policy", required=("signatures", "countersignatures"))
    signatures, countersignatures = (
        policy.integer("signatures"),
        policy.integer("countersignatures"),
    )
    if signatures > 1 or countersignatures > MAX_COUNTERSIGNATURES:
        raise refuse("/signature_policy", "so many signatures are not supported.")
    return Manifest(
        bundle_id=_bundle_id(top),
        client_id=_client_id(top),
        run_id=top.optional_text("run_id"),
        maker=top.text("maker"),
        period_start=start,
        period_end=end,
        generated_at=top.time("generated_at"),
        generator=top.text("generator"),
        request=_request(top),
        summary=_summary(top),
        signatures=signatures,
        countersignatures=countersignatures,
        files=_files(top),
    )


def _bundle_id(top: Fields) -> str:
    bundle_id = top.text("bundle_id")
    if not names.is_bundle_id(bundle_id):
        raise refuse("/bundle_id", "this is not the id of a package.")
    return bundle_id


def _client_id(top: Fields) -> str | None:
    client_id = top.optional_text("client_id")
    if client_id is not None and (
        client_id == names.PLATFORM or not names.is_client_folder(client_id)
    ):
        raise refuse("/client_id", "this is not the id of a client.")
    return client_id


def _request(top: Fields) -> ExportRequest:
    request = top.object("request", required=_REQUEST_KEYS)
    types = request.get("event_types")
    if types is not None:
        types = tuple(request.items("event_types"))
        if not types or not all(isinstance(item, str) for item in types):
            raise refuse("/request/event_types", "a list of event types is expected.")
    return ExportRequest(
        event_types=types,
        kms_key_id=request.optional_text("kms_key_id"),
        note=request.text("note", empty=True),
        package_prefix=request.text("package_prefix"),
        required_countersignatures=request.integer("required_countersignatures"),
        retention_policy=request.text("retention_policy"),
        sign_bundle=request.flag("sign_bundle"),
        vault_mode=request.text("vault_mode"),
    )


def _summary(top: Fields) -> Summary:
    summary = top.object("summary", required=_SUMMARY_KEYS)
    return Summary(
        events=summary.integer("events"),
        first_seq=summary.optional_integer("first_seq"),
        last_seq=summary.optional_integer("last_seq"),
        tree_size=summary.integer("tree_size"),
    )


def _files(top: Fields) -> tuple[FileEntry, ...]:
    entries = [
        _file(Fields(item, required=_FILE_KEYS, where=f"/files/{index}"))
        for index, item in enumerate(top.items("files"))
    ]
    paths = [entry.path for entry in entries]
    if paths != sorted(set(paths)) or MANIFEST in paths:
        raise refuse("/files", "paths are sorted, occur once, and leave out the manifest itself.")
    return tuple(entries)


def _file(fields: Fields) -> FileEntry:
    entry = FileEntry(
        path=fields.text("relative_path"),
        size_bytes=fields.integer("size_bytes"),
        sha256=fields.digest("sha256"),
        media_type=fields.text("media_type"),
    )
    if fields.text("name") != entry.name:
        raise refuse(fields.at("name"), "the name is not the last part of the path.")
    return entry


def file_entries(digests: Iterable[tuple[str, int, str]]) -> tuple[FileEntry, ...]:
    """The file list for members given as (path, size in bytes, sha256 digest)."""
    return tuple(
        FileEntry(path=path, size_bytes=size, sha256=digest, media_type=media_type(path))
        for path, size, digest in sorted(digests)
    )

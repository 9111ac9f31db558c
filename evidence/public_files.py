"""Files that anybody may send to have them verified: kept without a name, and not for long."""

from __future__ import annotations

import contextlib
import mmap
import re
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Final

from django.conf import settings
from django.core.files.uploadedfile import UploadedFile
from django.core.files.uploadhandler import FileUploadHandler

from evidence.checkable import Checkable, plain
from evidence.formats import names
from evidence.formats.fields import MAX_SIDECAR_BYTES
from evidence.formats.package import PackageBytes
from evidence.formats.verification import Sidecars
from sealing.errors import Invalid, TooLarge

# Up to here a file stays in memory.
IN_MEMORY_BYTES: Final = 1 << 20
_COUNTERSIGN: Final = re.compile(r"\.countersign(-(?P<number>\d{4,9}))?\.json$")
_WORDS: Final = {
    "package": "The package",
    "sig": "The service’s signature over the bytes",
    "signature": "The signed statement",
    "countersign": "Countersignatures",
    "timestamp": "The timestamp of an outside authority",
}
_SUFFIXES: Final = (
    # The longer ending first: ``.zip.sig`` also ends in what a shorter one might match.
    (names.SIG_SUFFIX, "sig"),
    (names.SIGNATURE_SUFFIX, "signature"),
    (names.TIMESTAMP_SUFFIX, "timestamp"),
    (names.PACKAGE_SUFFIX, "package"),
)


class NoPackage(Invalid):
    """There is no package among the files."""

    code = "package_missing"


class SeveralOfAKind(Invalid):
    """Two files have the same part, and it would have to be guessed which counts."""

    code = "files_ambiguous"


class EncryptedCopy(Invalid):
    """A copy from a vault that is encrypted: it has to be decrypted first."""

    code = "package_encrypted"


class FileTooLarge(TooLarge):
    """A file is larger than any of its kind."""

    code = "file_too_large"


class NamelessUploadHandler(FileUploadHandler):
    """Keeps an upload in memory, a larger one in a temporary file that never has a name.

    The operating system takes such a file back when the process ends, however it ends.
    """

    def new_file(self, *args: Any, **kwargs: Any) -> None:
        """Opens the place for the next file."""
        super().new_file(*args, **kwargs)
        folder = settings.FILE_UPLOAD_TEMP_DIR
        self.file = tempfile.SpooledTemporaryFile(max_size=IN_MEMORY_BYTES, dir=folder)  # noqa: SIM115

    def receive_data_chunk(self, raw_data: bytes, start: int) -> None:
        """Takes what arrived."""
        self.file.write(raw_data)

    def file_complete(self, file_size: int) -> UploadedFile[bytes]:
        """The file, to be read from its beginning."""
        self.file.seek(0)
        return UploadedFile(file=self.file, name=self.file_name, size=file_size)

    def upload_interrupted(self) -> None:
        """Lets go of what had arrived."""
        if hasattr(self, "file"):
            self.file.close()


@dataclass(frozen=True, slots=True)
class Part:
    """One file as the page tells of it: its name, what it was taken for, and its size."""

    name: str
    words: str
    size_bytes: int


@dataclass(frozen=True, slots=True)
class Chosen:
    """The files that were sent, each in its part.

    Attributes:
        package: the zip file.
        sidecars: those beside it, by the field of `Sidecars`.
        parts: what was looked at, for the page.
        ignored: names of files that no part is known for.
    """

    package: UploadedFile[bytes]
    sidecars: dict[str, UploadedFile[bytes]]
    parts: tuple[Part, ...]
    ignored: tuple[str, ...]

    @property
    def missing(self) -> dict[str, str]:
        """Sidecars that were not sent: what they are, by the field of `Sidecars`."""
        absent = _WORDS.keys() - self.sidecars.keys() - {"package"}
        return {field: words for field, words in _WORDS.items() if field in absent}

    @contextlib.contextmanager
    def opened(self) -> Iterator[tuple[PackageBytes, Sidecars]]:
        """The bytes; a large package is mapped and not read into memory."""
        read = {field: bytes(file.read()) for field, file in self.sidecars.items()}
        with _bytes_of(self.package) as data:
            yield data, Sidecars(**read)


@dataclass(frozen=True, slots=True)
class Other:
    """Files of another kind than a package's; the same fields as in `Chosen`."""

    kind: Checkable
    files: dict[str, UploadedFile[bytes]]
    parts: tuple[Part, ...]
    ignored: tuple[str, ...]

    def read(self) -> dict[str, bytes]:
        """The bytes, by field."""
        return {field: bytes(file.read()) for field, file in self.files.items()}


def sort_out(files: Sequence[UploadedFile[bytes]]) -> Chosen:
    """Tells by their names which file is which.

    Raises:
        NoPackage: there is none that ends in ``.zip``.
        SeveralOfAKind: two files have the same part.
        EncryptedCopy: the package is one that a vault keeps encrypted.
        FileTooLarge: a file beside the package is larger than any of its kind.
    """
    found: dict[str, UploadedFile[bytes]] = {}
    ignored: list[str] = []
    states: list[tuple[int, UploadedFile[bytes]]] = []
    for file in files:
        name = file.name or ""
        field, number = _part_of(name)
        if field is None:
            ignored.append(name)
        elif number is not None:
            states.append((number, file))
        elif field in found:
            raise SeveralOfAKind(
                f"Two files are each {_WORDS[field].lower()}: {found[field].name} and {name}."
                " Choose the files of one package."
            )
        else:
            found[field] = file
    if states and "countersign" not in found:
        # The vault keeps every state of the countersignatures; the highest number is the last.
        states.sort(key=lambda state: state[0])
        found["countersign"] = states.pop()[1]
    ignored += [file.name or "" for _, file in states]
    return _checked(found, ignored)


def is_of_package(name: str) -> bool:
    """Whether a name is that of a package or of a file beside one."""
    return _part_of(name)[0] is not None


def sort_out_other(kind: Checkable, files: Sequence[UploadedFile[bytes]]) -> Other:
    """Tells which file of another kind is which.

    Raises:
        SeveralOfAKind: two files have the same part.
        FileTooLarge: a file is larger than any of its part.
    """
    found: dict[str, UploadedFile[bytes]] = {}
    parts: list[Part] = []
    ignored: list[str] = []
    for file in files:
        name, size = file.name or "", file.size or 0
        part = kind.part_of(plain(name))
        if part is None:
            ignored.append(name)
            continue
        if part.field in found:
            raise SeveralOfAKind(
                f"Two files are each {part.words.lower()}: {found[part.field].name} and {name}."
                f" Choose the files of {kind.words}."
            )
        if size > part.max_bytes:
            raise FileTooLarge(f"{name} is larger than any such file ({part.max_bytes >> 20} MiB).")
        found[part.field] = file
        parts.append(Part(name, part.words, size))
    return Other(kind, found, tuple(parts), tuple(ignored))


def _part_of(name: str) -> tuple[str | None, int | None]:
    known = plain(name)
    numbered = _COUNTERSIGN.search(known)
    if numbered:
        number = numbered["number"]
        return "countersign", None if number is None else int(number)
    for suffix, field in _SUFFIXES:
        if known.endswith(suffix):
            return field, None
    return None, None


def _checked(found: dict[str, UploadedFile[bytes]], ignored: Sequence[str]) -> Chosen:
    if "package" not in found:
        if any(name.lower().endswith(names.ENCRYPTED_SUFFIX) for name in ignored):
            raise EncryptedCopy(
                "This is an encrypted copy from a vault, which this page can’t open. Ask whoever"
                " keeps the vault for the decrypted .zip file."
            )
        if not found and not ignored:
            raise NoPackage("No file was chosen.")
        raise NoPackage(
            "There is no package among the files: its name ends in .zip. Choose it together with"
            " the files that lie beside it."
        )
    parts = []
    for field, words in _WORDS.items():
        file = found.get(field)
        if file is None:
            continue
        size = file.size or 0
        if field != "package" and size > MAX_SIDECAR_BYTES:
            raise FileTooLarge(
                f"{file.name} is larger than any file beside a package can be"
                f" ({MAX_SIDECAR_BYTES >> 20} MiB)."
            )
        parts.append(Part(file.name or "", words, size))
    package = found.pop("package")
    return Chosen(package, found, tuple(parts), tuple(ignored))


@contextlib.contextmanager
def _bytes_of(file: UploadedFile[bytes]) -> Iterator[PackageBytes]:
    if not file.size or file.size <= IN_MEMORY_BYTES:
        yield bytes(file.read())
        return
    with mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as mapping:
        yield mapping

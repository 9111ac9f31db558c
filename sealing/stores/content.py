"""What is to be kept: bytes in memory or a file, described once and read as often as needed."""

from __future__ import annotations

import hashlib
import io
from dataclasses import dataclass
from typing import BinaryIO

from sealing import digests

_BLOCK = 1 << 20


@dataclass(frozen=True, slots=True)
class Content:
    """An object's content.

    Attributes:
        file: that can be read from its beginning again and again.
        size_bytes: of all of it.
        sha256: the 32 bytes of its digest.
    """

    file: BinaryIO
    size_bytes: int
    sha256: bytes

    @classmethod
    def of(cls, data: bytes | BinaryIO) -> Content:
        """Reads it once to describe it; a file is taken from its beginning."""
        file = io.BytesIO(data) if isinstance(data, bytes) else data
        file.seek(0)
        digest, size = hashlib.sha256(), 0
        while block := file.read(_BLOCK):
            digest.update(block)
            size += len(block)
        return cls(file, size, digest.digest())

    @property
    def tag(self) -> str:
        """The digest as formats write it."""
        return digests.tag(self.sha256)

    def opened(self) -> BinaryIO:
        """The file at its beginning."""
        self.file.seek(0)
        return self.file

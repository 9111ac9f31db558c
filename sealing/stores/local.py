"""A store in a local folder."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

from sealing import files
from sealing.digests import sha256_tag
from sealing.stores.base import Stored, check_object_name

MAX_OBJECT_BYTES = 4 << 30


class LocalStore:
    """Objects are files below ``root``, written durably and never replaced."""

    def __init__(self, root: Path) -> None:
        self._root = root

    def put_new(self, name: str, data: bytes) -> Stored:
        """See `Store.put_new`."""
        path = self._path(name)
        files.write_new(path, data, mode=0o440, adopt_identical=True)
        return Stored(name, len(data), sha256_tag(data))

    def read(self, name: str) -> bytes:
        """See `Store.read`."""
        return files.read_regular(self._path(name), MAX_OBJECT_BYTES)

    def exists(self, name: str) -> bool:
        """See `Store.exists`."""
        return self._path(name).is_file()

    def iterate(self, prefix: str = "") -> Iterator[str]:
        """See `Store.iterate`; temporary files are not objects."""
        names = []
        for folder, _, found in os.walk(self._root):
            for file in found:
                name = (Path(folder) / file).relative_to(self._root).as_posix()
                if name.startswith(prefix) and not file.startswith("."):
                    names.append(name)
        yield from sorted(names)

    def _path(self, name: str) -> Path:
        check_object_name(name)
        return files.safe_join(self._root, name)

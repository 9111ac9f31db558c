"""Opens package files for reading, however large, without following links."""

from __future__ import annotations

import contextlib
import os
import stat
from collections.abc import Iterator
from pathlib import Path

from evidence.formats.package import MAX_PACKAGE_BYTES, PackageBytes
from sealing.errors import Invalid


class NotRegular(Invalid):
    """A path leads to something other than a regular file of an acceptable size."""

    code = "not_a_regular_file"


class _FileBytes:
    """The bytes of a file, of which slices are read: never more of it is in memory."""

    def __init__(self, descriptor: int, size: int) -> None:
        self._descriptor, self._size = descriptor, size

    def __len__(self) -> int:
        return self._size

    def __getitem__(self, part: slice) -> bytes:
        start, stop, step = part.indices(self._size)
        if step != 1:
            raise ValueError("Slices are read without a step.")
        found = bytearray()
        while start + len(found) < stop:
            block = os.pread(self._descriptor, stop - start - len(found), start + len(found))
            if not block:
                raise NotRegular("The file was cut short while it was read.")
            found += block
        return bytes(found)


@contextlib.contextmanager
def opened(path: Path) -> Iterator[PackageBytes]:
    """The bytes of a file, to be read slice by slice for as long as the block lasts.

    Raises:
        FileNotFoundError: When there is nothing of that name.
        NotRegular: For links, folders, pipes and devices, and for more than 4 GiB.
    """
    # O_NONBLOCK, because opening a named pipe would otherwise wait for its other end.
    flags = os.O_RDONLY | os.O_CLOEXEC | os.O_NOFOLLOW | os.O_NONBLOCK
    try:
        descriptor = os.open(path, flags)
    except FileNotFoundError:
        raise
    except OSError as error:
        raise NotRegular(f"{path.name} can't be opened as a file.") from error
    try:
        status = os.fstat(descriptor)
        if not stat.S_ISREG(status.st_mode) or status.st_size > MAX_PACKAGE_BYTES:
            raise NotRegular(f"{path.name} is not a regular file of at most 4 GiB.")
        yield _FileBytes(descriptor, status.st_size)
    finally:
        os.close(descriptor)

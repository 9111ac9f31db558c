"""Opens package files for reading, however large, without following links."""

from __future__ import annotations

import contextlib
import mmap
import os
import stat
from collections.abc import Iterator
from pathlib import Path

from evidence.formats.package import MAX_PACKAGE_BYTES, PackageBytes
from sealing.errors import Invalid


class NotRegular(Invalid):
    """A path leads to something other than a regular file of an acceptable size."""

    code = "not_a_regular_file"


@contextlib.contextmanager
def mapped(path: Path) -> Iterator[PackageBytes]:
    """The bytes of a file, mapped into memory for as long as the block lasts.

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
        if status.st_size == 0:
            yield b""
            return
        with mmap.mmap(descriptor, 0, access=mmap.ACCESS_READ) as mapping:
            yield mapping
    finally:
        os.close(descriptor)

"""One moment of the database for all facts of a packet."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator

from django.db import connection, transaction


@contextlib.contextmanager
def snapshot() -> Iterator[None]:
    """All that is read within is of one moment, and nothing can be written.

    It is a transaction of its own: within another one it is refused, since that began at some other
    moment and may have another isolation. Only the transaction that a test rolls back is let pass
    (as Django's ``durable`` has it); then that one's snapshots count.

    Raises:
        RuntimeError: a transaction is open.
    """
    with transaction.atomic(durable=True):
        with connection.cursor() as cursor:
            if not connection.savepoint_ids:
                cursor.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ")
            cursor.execute("SET TRANSACTION READ ONLY")
        yield

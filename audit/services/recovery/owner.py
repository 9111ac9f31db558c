"""Works as the database's owner, in another schema than the usual one where that is needed."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager

from django.conf import settings
from django.db import DEFAULT_DB_ALIAS, connection, connections

from sealing.errors import Invalid, Unavailable

ALIAS = "owner"
_SCHEMA = re.compile(r"[a-z][a-z0-9_]{0,47}\Z", re.ASCII)
_RESERVED = re.compile(r"(public|information_schema|pg_.*)\Z", re.ASCII)


class OwnerMissing(Unavailable):
    """There is no connection with the rights of the database's owner."""

    code = "owner_missing"


class SchemaRefused(Invalid):
    """The text can't name a schema of ours."""

    code = "schema_invalid"


def check_schema_name(name: str) -> str:
    """The name, if a schema may be made under it. Raises SchemaRefused."""
    if not _SCHEMA.match(name) or _RESERVED.match(name):
        raise SchemaRefused(
            "A schema's name has lower-case letters, digits and underscores, begins with a letter,"
            " has at most 48 characters, and is none of PostgreSQL's own.",
            field="schema",
        )
    return name


def require_owner() -> None:
    """Raises OwnerMissing unless there is a connection with the owner's rights."""
    if ALIAS not in settings.DATABASES:
        raise OwnerMissing(
            "DATABASE_OWNER_URL is not set, and making or swapping tables needs the owner's"
            " rights. Set it for this command alone."
        )


@contextmanager
def as_owner() -> Iterator[None]:
    """Everything that this thread does in the database, it does as the owner.

    The services speak to the default connection. Here that is the owner's, so that one
    transaction can hold both the definition of tables and what the services put into them.

    Raises:
        OwnerMissing: DATABASE_OWNER_URL is not set.
    """
    require_owner()
    before = connections[DEFAULT_DB_ALIAS]
    connections[DEFAULT_DB_ALIAS] = connections[ALIAS]
    try:
        yield
    finally:
        connections[DEFAULT_DB_ALIAS] = before


@contextmanager
def search_path(*schemas: str) -> Iterator[None]:
    """Names without a schema mean these schemas, first come first served.

    Only inside a transaction, which takes it back if it rolls back.
    """
    if not connection.in_atomic_block:
        raise RuntimeError("search_path() lasts as long as a transaction")
    with connection.cursor() as cursor:
        cursor.execute("SELECT current_setting('search_path')")
        before = cursor.fetchone()[0]
        cursor.execute("SELECT set_config('search_path', %s, true)", [", ".join(schemas)])
    yield
    # After an error the transaction is over, and this with it.
    with connection.cursor() as cursor:
        cursor.execute("SELECT set_config('search_path', %s, true)", [before])

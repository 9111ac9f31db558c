"""Databases for tests: one migrated template per run, and copies of it where commits are real."""

from __future__ import annotations

import contextlib
import os
import uuid
from collections.abc import Iterator

import psycopg
from django.conf import settings
from django.core.management import call_command
from django.db import connections
from psycopg import sql

from config.development import DatabaseUrls, create_roles, urls_for
from tests.settings import TEST_SUPERUSER_URL


class CommittedDatabase:
    """A database of one test, in which everything is committed for real."""

    def __init__(self, urls: DatabaseUrls) -> None:
        self.app_url = urls.application
        self.owner_url = urls.owner
        self.superuser_url = urls.superuser


def create(name: str, *, template: str | None = None) -> DatabaseUrls:
    """Creates database ``name``, owned by the owner role, empty or as a copy of ``template``."""
    with psycopg.connect(TEST_SUPERUSER_URL, autocommit=True) as conn:
        create_roles(conn)
        statement = sql.SQL("CREATE DATABASE {} OWNER strongroom_owner").format(
            sql.Identifier(name)
        )
        if template:
            statement += sql.SQL(" TEMPLATE {}").format(sql.Identifier(template))
        conn.execute(statement)
    return urls_for(TEST_SUPERUSER_URL, name)


def drop(name: str) -> None:
    """Drops database ``name``, whoever is connected to it."""
    with psycopg.connect(TEST_SUPERUSER_URL, autocommit=True) as conn:
        conn.execute(
            sql.SQL("DROP DATABASE IF EXISTS {} WITH (FORCE)").format(sql.Identifier(name))
        )


def point_at(name: str) -> None:
    """Makes both of Django's aliases use database ``name`` from now on."""
    for alias in ("default", "owner"):
        connections[alias].close()
        connections[alias].settings_dict["NAME"] = name
        settings.DATABASES[alias]["NAME"] = name


def hurry() -> None:
    """Lets the private server of the tests leave writing to the disk to the kernel.

    Processes are killed here, machines are not; a server that somebody named is left as it is.
    """
    if os.environ.get("TEST_POSTGRES_SUPERUSER_URL"):
        return
    with psycopg.connect(TEST_SUPERUSER_URL, autocommit=True) as conn:
        conn.execute("ALTER SYSTEM SET fsync = off")
        conn.execute("ALTER SYSTEM SET full_page_writes = off")
        conn.execute("SELECT pg_reload_conf()")


@contextlib.contextmanager
def migrated_template() -> Iterator[str]:
    """A database with the project's schema, migrated by the owner role."""
    name = f"template_{uuid.uuid4().hex[:12]}"
    hurry()
    create(name)
    point_at(name)
    try:
        call_command("migrate", database="owner", verbosity=0, interactive=False)
        connections["owner"].close()
        yield name
    finally:
        connections.close_all()
        drop(name)

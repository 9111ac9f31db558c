"""What django-prometheus's engine counts, beside the pool, COPY and server-side cursors."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from django.db import ProgrammingError, connection, connections
from prometheus_client import REGISTRY
from prometheus_client.parser import text_string_to_metric_families

from access.models import Client
from tests.databases import CommittedDatabase
from tests.factories import World

PROJECT = Path(__file__).resolve().parents[3]
# With the pool of production, which the tests themselves do without, and in two threads.
PROGRAM = """
import django
django.setup()
import threading
from django.db import connection, connections
from prometheus_client import generate_latest
from access.models import Client
from ops.metrics import door
assert connection.settings_dict["OPTIONS"]["pool"]["max_size"] == 8
def work():
    for _ in range(5):
        with connection.cursor() as cursor:
            cursor.execute("SELECT 1")
            assert cursor.fetchone() == (1,)
            cursor.executemany("SELECT %s", [[1], [2], [3]])
        assert list(Client.objects.iterator(chunk_size=1)) == list(Client.objects.all())
        connection.close()
threads = [threading.Thread(target=work) for _ in range(2)]
[thread.start() for thread in threads]
[thread.join() for thread in threads]
with connections["owner"].cursor() as cursor:
    cursor.execute("SELECT current_user")
connections["owner"].close()
connection.close_pool()
print(generate_latest(door._others()).decode())
"""


def counted(name: str, **labels: str) -> float:
    return (
        REGISTRY.get_sample_value(name, {"alias": "default", "vendor": "postgresql", **labels}) or 0
    )


def test_statements_and_their_errors_are_counted(world: World) -> None:
    before = counted("django_db_execute_total")
    with connection.cursor() as cursor:
        cursor.execute("SELECT 1")
        cursor.executemany("SELECT %s", [[1], [2]])
    assert counted("django_db_execute_total") == before + 3
    failed = counted("django_db_errors_total", type="UndefinedTable")
    with pytest.raises(ProgrammingError), connection.cursor() as cursor:
        cursor.execute("SELECT 1 FROM there_is_no_such_table")
    assert counted("django_db_errors_total", type="UndefinedTable") == failed + 1


def test_copy_and_server_side_cursors_work_as_before(committed_world: World) -> None:
    with connection.cursor() as cursor:
        cursor.execute("CREATE TEMPORARY TABLE lines (line text)")
        with cursor.copy("COPY lines FROM STDIN") as copy:
            copy.write("one\ntwo\n")
        with cursor.copy("COPY lines TO STDOUT") as copy:
            assert b"".join(bytes(part) for part in copy) == b"one\ntwo\n"
    assert len(list(Client.objects.iterator(chunk_size=1))) == Client.objects.count()


def test_owner_is_counted_by_its_own_name(committed_db: CommittedDatabase) -> None:
    before = REGISTRY.get_sample_value(
        "django_db_execute_total", {"alias": "owner", "vendor": "postgresql"}
    )
    with connections["owner"].cursor() as cursor:
        cursor.execute("SELECT current_user")
        assert cursor.fetchone() == ("strongroom_owner",)
    after = REGISTRY.get_sample_value(
        "django_db_execute_total", {"alias": "owner", "vendor": "postgresql"}
    )
    assert (after or 0) > (before or 0)


def test_pooled_connections_of_two_processes_are_summed(
    committed_world: World, committed_db: CommittedDatabase, tmp_path: Path
) -> None:
    environment: dict[str, Any] = {
        **os.environ,
        "DJANGO_SETTINGS_MODULE": "config.settings",
        "DATABASE_URL": committed_db.app_url,
        "DATABASE_OWNER_URL": committed_db.owner_url,
        "PROMETHEUS_MULTIPROC_DIR": str(tmp_path),
    }
    totals = []
    for _ in range(2):
        done = subprocess.run(
            [sys.executable, "-c", PROGRAM],
            cwd=PROJECT,
            env=environment,
            capture_output=True,
            text=True,
            timeout=60,
        )
        assert done.returncode == 0, done.stderr
        totals.append(
            {
                (sample.name, sample.labels.get("alias")): sample.value
                for family in text_string_to_metric_families(done.stdout)
                for sample in family.samples
                if "le" not in sample.labels and "type" not in sample.labels
            }
        )
    first, second = totals
    assert first["django_db_execute_many_total", "default"] == 2 * 5 * 3
    assert second["django_db_execute_many_total", "default"] == 2 * 2 * 5 * 3
    for alias in ("default", "owner"):
        opened = "django_db_new_connections_total", alias
        assert second[opened] == 2 * first[opened] > 0, alias
    # The pool's own checks of its connections count as well, and their number varies.
    statements = "django_db_execute_total", "default"
    assert second[statements] >= first[statements] + 2 * 5 * 4

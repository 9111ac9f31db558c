"""Two who ask for the installation's certificate at once get the same one."""

from __future__ import annotations

import threading

from django.db import connection

from audit.events import Actor
from audit.services import keys
from reports.models import Certificate
from reports.services import certificates
from tests.factories import World

ACTOR = Actor.system("tests")


def test_one_is_issued_and_both_get_it(committed_world: World) -> None:
    keys.ensure_service_keys(actor=ACTOR)
    found: list[tuple[str, ...]] = []
    together = threading.Barrier(4)

    def ask() -> None:
        try:
            together.wait()
            found.append(certificates.service_chain(actor=ACTOR))
        finally:
            connection.close()

    threads = [threading.Thread(target=ask) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(found) == 4 and len(set(found)) == 1
    assert Certificate.objects.count() == 1

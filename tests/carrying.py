"""Carries out runs where no worker does: in the test's own process, and transaction."""

from __future__ import annotations

import uuid
from typing import Any
from unittest import mock

from django.db import connection
from django.utils import timezone

from ops.models import Run
from ops.services import claims, execution


class _StaysOpen:
    """Connections that nobody closes: the test's transaction would end with them."""

    def close_all(self) -> None:
        """See the class."""


def carry_out(run_id: uuid.UUID) -> Run:
    """The run after one attempt. Within a test that rolls back, the claim is seen by nobody else,
    which is what `execution.execute` refuses."""
    if not connection.in_atomic_block:
        execution.execute(run_id)
        return Run.objects.get(pk=run_id)
    # The thread that renews the lease has a connection of its own, which does not see the run.
    with (
        mock.patch.object(execution, "connections", _StaysOpen()),
        mock.patch.object(claims, "renew", lambda *args, **kwargs: True),
    ):
        has_begun = claims.has_begun(run_id)
        run = claims.claim(run_id)
        if run is not None:
            execution._attempt(run, has_begun=has_begun)
    return Run.objects.get(pk=run_id)


def carry_on(run: Any) -> Run:
    """The run after another attempt, as if the lease of the one before had run out by now."""
    Run.objects.filter(pk=run.pk, status="RUNNING").update(lease_expires_at=timezone.now())
    return carry_out(run.pk)

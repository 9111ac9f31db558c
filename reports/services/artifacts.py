"""Artefacts as this room takes them: for a control that there is."""

from __future__ import annotations

from audit.events import Actor
from evidence.models import Artifact
from evidence.services import artifacts
from evidence.services.errors import RequestRefused
from evidence.services.submissions import Submission
from reports import catalogue
from reports.catalogue import UnknownControl
from reports.models import Framework


def receive(*, actor: Actor, submission: Submission) -> Artifact:
    """Keeps a file as evidence for a control.

    Raises:
        RequestRefused: there is no such framework or control; and as `artifacts.keep`.
    """
    if submission.framework not in Framework.values:
        raise RequestRefused(f"One of {', '.join(Framework.values)}.", field="framework")
    try:
        catalogue.control(submission.framework, submission.control_id)
    except UnknownControl as error:
        raise RequestRefused(error.message, field="control") from error
    return artifacts.keep(actor=actor, submission=submission)

"""What a failed run means for the evidence, and what to do: by the code of its error."""

from __future__ import annotations

from typing import NamedTuple

from ops.models import Run


class Advice(NamedTuple):
    """Two sentences for whoever has to act."""

    meaning: str
    action: str


_NOTHING_MADE = "Nothing was stored under a final name: there is no half-made package."
_RUN_AGAIN = "Then run the job again."
_DISAGREES = Advice(
    "What is stored does not agree with itself. Nothing was made that rests on it.",
    "Verify the log and the package in question before anything is run again, and tell whoever"
    " answers for this installation.",
)
_STORE = Advice(
    "The store took nothing, or not everything; what was not complete was taken back.",
    f"Look at the store: space, permissions, the connection to it. {_RUN_AGAIN}",
)
_SETTINGS = Advice(
    _NOTHING_MADE,
    f"Have the setting that the message names corrected. {_RUN_AGAIN}",
)
_WORKER = Advice(
    "The worker that had it stopped, or was too slow to say that it still works. What it had begun"
    " does not count; a later run makes it anew.",
    "Look into the worker's log at the time of the last sign of life. Then run the job again.",
)
_KEYS = Advice(
    "The copy for the vault could not be encrypted, so nothing was put there.",
    f"Look at the key service: its key, its permissions, the connection to it. {_RUN_AGAIN}",
)
_AUTHORITY = Advice(
    _NOTHING_MADE,
    "A run has the rights of whoever asked for it, or of the job's owner, as they are at that"
    " time. Have the grant restored, or the job registered anew under somebody else.",
)
_BY_CODE = {
    "audit_disabled": Advice(
        "The installation is read-only: nothing may be done that could not be recorded.",
        f"Ask whoever runs this installation when recording is switched on again. {_RUN_AGAIN}",
    ),
    "audit_log_invalid": _DISAGREES,
    "package_self_check_failed": _DISAGREES,
    "integrity_failure": _DISAGREES,
    "not_in_order": Advice(
        "What was verified does not hold, or could not be checked.",
        "Open the verification, see where trust ends, and keep everything as it is until then.",
    ),
    "encryption_not_configured": _SETTINGS,
    "storage_not_configured": _SETTINGS,
    "vault_not_configured": _SETTINGS,
    "io_error": _STORE,
    "storage_error": _STORE,
    "store_denied": _STORE,
    "store_unavailable": _STORE,
    "vault_unavailable": _STORE,
    "vault_differs": Advice(
        "Something lies in the vault under a name of this package that is not what was to be put"
        " there. It was left as it is.",
        "Have the vault audited before anything is run again, and tell whoever answers for this"
        " installation.",
    ),
    "key_service_denied": _KEYS,
    "key_service_unavailable": _KEYS,
    "wrap_failed": _KEYS,
    "wrapper_invalid": _KEYS,
    "wrapping_key_missing": _KEYS,
    "unwrap_failed": _KEYS,
    "period_too_large": Advice(
        _NOTHING_MADE,
        "Register a job for a shorter period, or for fewer types of events.",
    ),
    "external_service_failed": Advice(
        "An outside service had to succeed and did not. The export was given up before anything"
        " was put into the vault.",
        "Read what the service answered on the package's page, and ask its operator. Then run the"
        " job again.",
    ),
    "forbidden": _AUTHORITY,
    "not_a_person": _AUTHORITY,
    "run_abandoned": _WORKER,
    "run_timeout": Advice(
        "It took longer than one attempt may take, and was stopped.",
        "Run it for a shorter period, or when the machine has less to do.",
    ),
    "signing_key_changed": Advice(
        "The service's key was changed while the package was being made.",
        "Run the job again: it then signs with the new key.",
    ),
    "database_error": Advice(
        "The database did not do what it was asked for. What was not stored does not count.",
        "Have whoever runs this installation look at the database, then run the job again.",
    ),
    "unavailable": Advice(
        "Something that was needed did not answer, however often it was tried. Nothing is lost.",
        "Run the job again later; if it fails again, look into the worker's log.",
    ),
}
_OTHERWISE = Advice(
    "The run was given up. Nothing half-made counts as evidence.",
    "Do what the message says, then run the job again. If it fails in the same way, hand the run's"
    " number to whoever runs this installation.",
)


def advice_for(run: Run) -> Advice:
    """What to say beside the error message."""
    return _BY_CODE.get(run.error_code, _OTHERWISE)

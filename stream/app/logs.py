"""Logs: JSON lines in production, readable lines on a terminal; everything through one format, on standard error.

No line carries a customer's id, a trait or an event's content; of an exception only its kind and places are told.
"""

from __future__ import annotations

import logging
import logging.config
import sys
from collections.abc import Callable, MutableMapping
from contextlib import suppress
from typing import Any, TextIO

import structlog

from stream.app.tracebacks import without_values

QUIET = ("faust", "mode", "aiohttp", "aiokafka", "asyncio")
"""Libraries whose information lines say nothing an operator needs."""


class Lines(logging.StreamHandler[TextIO]):
    """Standard error. Of a line that can't be written, the standard library would show every value it was to hold.
    Where nothing can be written any more (a full disk, a reader that went away), the work goes on all the same."""

    def handleError(self, record: logging.LogRecord) -> None:
        told = f"a log line could not be written: {type(sys.exc_info()[1]).__name__}"
        with suppress(OSError, ValueError):
            print(told, file=sys.stderr, flush=True)


def set_up_logs(level: str, form: str, *processors: Any, process: int | None = None) -> dict[str, Any]:
    """Configure structlog and the standard library's logging. Returns a dictConfig for Faust's worker, which would
    otherwise install its own. `form` is auto, json or console; `processors` see every line (a counter). `process`:
    which of a worker's several writes; every line tells it."""
    plain = form == "json" or (form == "auto" and not sys.stderr.isatty())
    shared: list[Any] = [
        structlog.stdlib.add_log_level,
        *([] if process is None else [_told_by(process)]),
        *processors,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        without_values,
    ]
    renderer: Any = structlog.processors.JSONRenderer() if plain else structlog.dev.ConsoleRenderer()
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
    config = {
        "version": 1,
        "disable_existing_loggers": False,
        "formatters": {
            "line": {
                "()": structlog.stdlib.ProcessorFormatter,
                "foreign_pre_chain": shared,
                "processors": [structlog.stdlib.ProcessorFormatter.remove_processors_meta, renderer],
            }
        },
        "handlers": {"stderr": {"()": Lines, "formatter": "line"}},
        "root": {"handlers": ["stderr"], "level": level.upper()},
        "loggers": {name: {"level": "WARNING"} for name in QUIET},
    }
    logging.config.dictConfig(config)
    return config


def _told_by(process: int) -> Callable[..., MutableMapping[str, Any]]:
    """A structlog processor. Not a bound variable: threads, and libraries that log by themselves, would not have it."""

    def tell(_logger: Any, _method: str, event: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
        event["process"] = process
        return event

    return tell

"""What may a log line hold? An event name and keys of an allow-list; never a body, a token or a name."""

import logging
import sys
from collections.abc import Mapping, MutableMapping
from typing import Any

import structlog

ALLOWED = frozenset(
    [
        "event",
        "level",
        "timestamp",
        "logger",
        "service",
        "error",
        "topic",
        "group",
        "partition",
        "offset",
        "stream",
        "kind",
        "count",
        "seconds",
        "status",
        "attempt",
        "channel",
        "route",
        "method",
        "slug",
        "rule",
        "reason",
        "version",
        "port",
        "state",
        "door",
        "report",
        "case",
        "leg",
        "delivery",
        "reference",
        "warnings",
        "code",
        "agency",
        "type",
    ]
)


def keep_allowed(_: Any, __: str, event: MutableMapping[str, Any]) -> Mapping[str, Any]:
    """Drops every key that nobody has allowed: a new one is a decision, not an accident."""
    return {key: value for key, value in event.items() if key in ALLOWED}


def configure(service: str) -> None:
    """JSON lines on stdout. Libraries speak only from WARNING on and without their records' contents."""
    structlog.configure(
        processors=[
            structlog.contextvars.merge_contextvars,
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            keep_allowed,
            structlog.processors.JSONRenderer(),
        ],
        logger_factory=structlog.PrintLoggerFactory(sys.stdout),
        cache_logger_on_first_use=True,
    )
    structlog.contextvars.bind_contextvars(service=service)
    logging.basicConfig(
        level=logging.WARNING, stream=sys.stdout, format='{"logger": "%(name)s", "level": "%(levelname)s", "event": "library"}'
    )


def get(name: str) -> Any:
    return structlog.get_logger().bind(logger=name)

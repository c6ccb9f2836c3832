"""What may a log line hold? An event name and keys of an allow-list; never a body, a token or a name."""

import json
import logging
import sys
import traceback
from collections.abc import Mapping, MutableMapping
from pathlib import Path
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


ADDRESSES = ("httpx", "httpcore")
"""Their loggers say every address that is called, in full: never below WARNING, whatever else is turned on."""
CHAIN, FRAMES = 8, 12


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
    handler = logging.StreamHandler(sys.stdout)
    handler.setFormatter(Library('{"logger": "%(name)s", "level": "%(levelname)s", "event": "library"}'))
    logging.basicConfig(level=logging.WARNING, handlers=[handler], force=True)
    for name in ADDRESSES:
        logging.getLogger(name).setLevel(logging.WARNING)


class Library(logging.Formatter):
    """What a library says of an error: types and places. The text of an exception, and a line of a traceback, may quote a value."""

    def formatException(self, ei: Any) -> str:  # noqa: N802 - the name is logging's
        """One JSON line: the chain of types, outermost first, and where the first of them was raised."""
        chain: list[BaseException] = []
        error = ei[1]
        while error is not None and len(chain) < CHAIN:
            chain.append(error)
            error = error.__cause__ or error.__context__
        frames = traceback.extract_tb(ei[2], limit=-FRAMES)
        places = [f"{Path(frame.filename).name}:{frame.lineno} {frame.name}" for frame in frames]
        return json.dumps({"error": [type(link).__name__ for link in chain], "frames": places})

    def formatStack(self, _stack: str) -> str:  # noqa: N802 - the name is logging's
        """Nothing: source lines may hold anything."""
        return ""


def get(name: str) -> Any:
    return structlog.get_logger().bind(logger=name)

"""How is a long list read in pages? By an opaque cursor over (time, id): nothing is skipped or shown twice while rows are added."""

import base64
from collections.abc import Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

import msgspec

from shared.errors import Fault, Problem
from shared.moments import in_utc

MOST = 200
"""Rows of one page; the default is 50."""


def cursor(at: datetime, key: UUID) -> str:
    return base64.urlsafe_b64encode(f"{at.isoformat()}|{key}".encode()).decode()


def following(rows: Sequence[Any], limit: int, time: str) -> str | None:
    """The cursor of the page behind a full one: after its last row, by that column and the id. None: this was the last page."""
    return cursor(getattr(rows[-1], time), rows[-1].id) if len(rows) == limit else None


def shown(rows: Sequence[msgspec.Struct]) -> list[dict[str, Any]]:
    """The rows of a page, without the id by which pages are cut."""
    return [{name: value for name, value in msgspec.structs.asdict(row).items() if name != "id"} for row in rows]


def position(text: str | None) -> tuple[datetime, UUID] | None:
    """The place after which a page begins. Raises Problem 422 for a cursor that we did not give out."""
    if not text:
        return None
    try:
        at, _, key = base64.urlsafe_b64decode(text).decode().partition("|")
        return in_utc(datetime.fromisoformat(at)), UUID(key)
    except ValueError as reason:
        fault = Fault("/after", "cursor", "Use the `next` of the page before, unchanged.")
        raise Problem(422, "invalid", "The cursor is not one of ours.", faults=(fault,)) from reason

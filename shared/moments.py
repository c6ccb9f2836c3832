"""Which moments may a caller name? Those with an offset that are also moments in UTC: the calendar ends with the years 1 and 9999."""

from datetime import UTC, datetime, timedelta
from typing import Annotated

from pydantic import AfterValidator, AwareDatetime

from shared.errors import Fault, Problem

PERIOD, LONGEST = timedelta(days=30), timedelta(days=366)
"""How long a period is for which a list or a count is asked: unless said, and at most."""


def in_utc(moment: datetime) -> datetime:
    """The same moment in UTC. Raises ValueError for one without an offset, or whose UTC lies outside of the years 1 to 9999."""
    if moment.tzinfo is None:
        raise ValueError("moment-naive")
    try:
        return moment.astimezone(UTC)
    except OverflowError:
        raise ValueError("moment-range") from None


Instant = Annotated[AwareDatetime, AfterValidator(in_utc)]


def period(since: datetime, until: datetime, refusal: str) -> tuple[datetime, datetime]:
    """A period that a caller may ask about. Raises Problem 422, with what becomes of the request, for one that is empty or too long."""
    if not timedelta(0) < until - since <= LONGEST:
        fault = Fault("/since", "period", "A period ends after it begins and has 366 days at most.")
        raise Problem(422, "invalid", refusal, faults=(fault,))
    return since, until

"""Which moments may a caller name? Those with an offset that are also moments in UTC: the calendar ends with the years 1 and 9999."""

from datetime import UTC, datetime
from typing import Annotated

from pydantic import AfterValidator, AwareDatetime


def in_utc(moment: datetime) -> datetime:
    """The same moment in UTC. Raises ValueError for one without an offset, or whose UTC lies outside of the years 1 to 9999."""
    if moment.tzinfo is None:
        raise ValueError("moment-naive")
    try:
        return moment.astimezone(UTC)
    except OverflowError:
        raise ValueError("moment-range") from None


Instant = Annotated[AwareDatetime, AfterValidator(in_utc)]

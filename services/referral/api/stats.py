"""What may be counted of a region and a period: by responsibility, duty, grade, state and outcome, and what is overdue?"""

from datetime import timedelta
from typing import Annotated, Any

from fastapi import APIRouter, Query, Request
from fastapi import Response as HttpResponse
from pydantic import BaseModel, ConfigDict

from services.referral import oversight
from services.referral.api.directory import Place, known_now
from services.referral.api.joint import LONGEST, overseen
from services.referral.api.lists import Lister, places_of
from services.referral.domain.paths import responsibility_of
from services.referral.domain.rules import RuleSet
from services.referral.oversight import Legs
from shared.errors import Fault, Problem
from shared.http import reply
from shared.messages import Response
from shared.moments import Instant

router = APIRouter(tags=["joint conference"])


class StatsAsked(BaseModel):
    """Cases that were opened from `since` until before `until`, 366 days at most. `region`: that place and everything in it."""

    model_config = ConfigDict(extra="forbid", hide_input_in_errors=True)
    since: Instant
    until: Instant
    region: Place | None = None


@router.get("/joint/stats")
async def stats(request: Request, caller: Lister, asked: Annotated[StatsAsked, Query()]) -> HttpResponse:
    """Counts for a joint-conference office (its own region) and operators. Small counts stand as they are: no value of a person is among them."""
    if not timedelta(0) < asked.until - asked.since <= LONGEST:
        fault = Fault("/since", "period", "A period ends after it begins and has 366 days at most.")
        raise Problem(422, "invalid", "Nothing can be counted.", faults=(fault,))
    known = await known_now(request)
    places = places_of(asked.region, known) if asked.region else None
    office = overseen(caller, known)
    if caller.kind == "agency" and office is None:
        raise Problem(403, "not-for-you", "This is for joint-conference offices.")
    if office is not None:
        own = places_of(office.region, known)
        places = own if places is None else places & own
    cases, legs = await oversight.counted(request.app.state.engine, places, (asked.since, asked.until))
    shown = {
        "rules": known.current.hash,
        "responsibilities": [{"responsibility": row.responsibility, "title": row.title} for row in known.current.responsibilities],
        "cases": cases,
        "legs": _by_responsibility(legs, known.current),
    }
    return reply(Response.json(200, shown))


def _by_responsibility(legs: tuple[Legs, ...], rules: RuleSet) -> list[dict[str, Any]]:
    """The step decides of which responsibility a leg is, and is then no part of the counts."""
    kinds, found = {kind.duty: kind for kind in rules.duties}, dict[tuple[Any, ...], int]()
    for row in legs:
        served = responsibility_of(kinds, rules.responsibilities, row.duty, row.step, row.outcome)
        key = (served, row.duty, row.grade, row.state, row.outcome, row.overdue, row.missed)
        found[key] = found.get(key, 0) + row.count
    names = ("responsibility", "duty", "grade", "state", "outcome", "overdue", "missed")
    return [dict(zip(names, key, strict=True)) | {"count": count} for key, count in sorted(found.items(), key=str)]

"""What may be counted of a region and a period: by responsibility, duty, grade, state and outcome, and what is overdue?"""

from typing import Annotated, Any

from fastapi import APIRouter, Query, Request
from fastapi import Response as HttpResponse
from pydantic import BaseModel, ConfigDict

from services.referral import oversight
from services.referral.api.directory import Place, known_now
from services.referral.api.joint import places_overseen
from services.referral.api.lists import Lister
from services.referral.domain.paths import responsibility_of
from services.referral.domain.rules import RuleSet
from services.referral.oversight import Legs
from shared.http import reply
from shared.messages import Response
from shared.moments import Instant, period

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
    within = period(asked.since, asked.until, "Nothing can be counted.")
    known = await known_now(request)
    cases, legs = await oversight.counted(request.app.state.engine, places_overseen(caller, asked.region, known), within)
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

"""What does a joint-conference office see of the agencies in its region: what is overdue where, and who answered late?"""

from typing import Annotated, Any

from fastapi import APIRouter, Query, Request
from fastapi import Response as HttpResponse
from pydantic import BaseModel, ConfigDict, Field

from services.referral import oversight
from services.referral.api.directory import Place, known_now, overseen, places_within
from services.referral.api.lists import Lister
from services.referral.domain.agency import CODE
from services.referral.domain.routing import Knowledge
from services.referral.domain.rules import Grade
from services.referral.store import Wanted
from shared import paging
from shared.errors import Problem
from shared.http import reply
from shared.identity import Caller
from shared.messages import Response
from shared.moments import PERIOD, Instant, period

router = APIRouter(prefix="/joint", tags=["joint conference"])


class OverdueAsked(BaseModel):
    """`region`: 6, 9 or 12 digits within the office's own, that place and everything in it; without it all of the office's region."""

    model_config = ConfigDict(extra="forbid", hide_input_in_errors=True)
    region: Place | None = None
    agency: str | None = Field(default=None, pattern=f"^{CODE.pattern}$")
    grade: Grade | None = None
    after: str | None = Field(default=None, description="`next` of the page before.")
    limit: int = Field(default=50, ge=1, le=paging.MOST)


class AnswersAsked(OverdueAsked):
    """Cases that were opened from `since` until before `until`: the last 30 days unless said, 366 days at most."""

    since: Instant | None = None
    until: Instant | None = None


@router.get("/overdue")
async def overdue(request: Request, caller: Lister, asked: Annotated[OverdueAsked, Query()]) -> HttpResponse:
    """What is overdue now, by agency, the longest silent first: legs by how many rungs have fired, by grade, and how many are pressed.

    The legs behind a row: `GET /legs?overdue=true&agency=...`.
    """
    wanted = _wanted(asked, caller, await known_now(request), overdue=True)
    found = await oversight.overdue_by_agency(request.app.state.engine, wanted, paging.position(asked.after), asked.limit)
    return _page(found, asked.limit)


@router.get("/answers")
async def answers(request: Request, caller: Lister, asked: Annotated[AnswersAsked, Query()]) -> HttpResponse:
    """The accountability list: by agency, how many legs it got, which clocks ran out on them, how many are silent still, presses and missed ones."""
    known = await known_now(request)
    until = asked.until or await _now(request)
    since, until = period(asked.since or until - PERIOD, until, "Nothing can be listed.")
    wanted = _wanted(asked, caller, known, overdue=False)
    found = await oversight.answers_by_agency(request.app.state.engine, wanted, (since, until), paging.position(asked.after), asked.limit)
    return _page(found, asked.limit, since=since, until=until)


async def _now(request: Request) -> Any:
    return await request.app.state.pool.fetchval("select heli_now()")


def _page(found: list[Any], limit: int, **more: Any) -> HttpResponse:
    return reply(Response.json(200, {"agencies": paging.shown(found), **more, "next": paging.following(found, limit, "since")}))


def places_overseen(caller: Caller, region: str | None, known: Knowledge) -> frozenset[str] | None:
    """The same for a joint-conference office or an operator. Raises Problem 403 for any other agency."""
    office = overseen(caller, known)
    places = places_within(office, region, known)
    if caller.kind == "agency" and office is None:
        raise Problem(403, "not-for-you", "This is for joint-conference offices.")
    return places


def _wanted(asked: OverdueAsked, caller: Caller, known: Knowledge, *, overdue: bool) -> Wanted:
    places = places_overseen(caller, asked.region, known)
    return Wanted(agency=asked.agency, state="any", overdue=overdue, places=places, grade=asked.grade)

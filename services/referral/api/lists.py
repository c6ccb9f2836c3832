"""Which legs and cases may who list, narrowed to what, page by page?

An agency lists what it holds; an operator everything; a joint-conference office also what is overdue at others in its region.
"""

from typing import Annotated, Literal

from fastapi import APIRouter, Depends, Query, Request
from fastapi import Response as HttpResponse
from pydantic import BaseModel, ConfigDict, Field

from services.referral import store
from services.referral.api.directory import Place, known_now, overseen, places_within
from services.referral.api.shown import case_shown, leg_shown, linked_shown, whole_case
from services.referral.domain.agency import CODE
from services.referral.domain.routing import Knowledge
from services.referral.domain.rules import Grade
from services.referral.store import LEG_STATES, Wanted, stories
from shared import paging
from shared.errors import Problem
from shared.http import reply
from shared.identity import Allow, Caller
from shared.messages import Response
from shared.moments import Instant

Lister = Annotated[Caller, Depends(Allow("agency", "operator"))]
router = APIRouter()


class Asked(BaseModel):
    """What a list is narrowed to. `region`: 6, 9 or 12 digits, that place and everything in it; `due_before`: a running clock ends before then."""

    model_config = ConfigDict(extra="forbid", hide_input_in_errors=True)
    agency: str | None = Field(default=None, pattern=f"^{CODE.pattern}$")
    overdue: bool = False
    region: Place | None = None
    grade: Grade | None = None
    due_before: Instant | None = None
    after: str | None = Field(default=None, description="`next` of the page before.")
    limit: int = Field(default=50, ge=1, le=paging.MOST)


class LegsAsked(Asked):
    """`state`: `open` or `ended`, or the furthest fact of an open leg, or an end."""

    state: Literal[LEG_STATES] = "open"  # type: ignore[valid-type]


class CasesAsked(Asked):
    """`agency`, `overdue` and `due_before` ask for cases that have such a leg."""

    state: Literal["open", "closed", "any"] = "open"


@router.get("/legs", tags=["legs"])
async def legs(request: Request, caller: Lister, asked: Annotated[LegsAsked, Query()]) -> HttpResponse:
    """Legs, oldest first: an agency's own; an operator's and a joint-conference office's `agency` may be another (the office: overdue ones)."""
    wanted = narrowed(asked, asked.state, caller, await known_now(request))
    found = await store.list_legs(request.app.state.engine, wanted, paging.position(asked.after), asked.limit)
    following = paging.following([leg for leg, _ in found], asked.limit, "issued_at")
    linked = await stories.linked_to(
        request.app.state.engine, [case for _, case in found], None if caller.kind == "operator" else caller.party
    )
    shown = [leg_shown(leg, case) | linked_shown(case, linked.get(case.id, ())) for leg, case in found]
    return reply(Response.json(200, {"legs": shown, "next": following}))


@router.get("/cases", tags=["cases"])
async def cases(request: Request, caller: Lister, asked: Annotated[CasesAsked, Query()]) -> HttpResponse:
    """Cases, oldest first, with those legs that the caller may list; who may list which is as for legs."""
    wanted = narrowed(asked, asked.state, caller, await known_now(request))
    found = await store.list_cases(request.app.state.engine, wanted, paging.position(asked.after), asked.limit)
    following = paging.following([case for case, _ in found], asked.limit, "opened_at")
    show = whole_case if caller.kind == "operator" else case_shown
    linked = await stories.linked_to(
        request.app.state.engine, [case for case, _ in found], None if caller.kind == "operator" else caller.party
    )
    shown = [show(case, legs) | linked_shown(case, linked.get(case.id, ())) for case, legs in found]
    return reply(Response.json(200, {"cases": shown, "next": following}))


def narrowed(asked: Asked, state: str, caller: Caller, known: Knowledge) -> Wanted:
    """What was asked, cut to what the caller may see. Raises Problem 403 for another agency's, 422 for a region that is none."""
    places, agency = places_within(None, asked.region, known), asked.agency
    if caller.kind == "agency" and agency != caller.party:
        office = overseen(caller, known) if asked.overdue else None
        if agency is not None and office is None:
            raise Problem(403, "not-for-you", "An agency lists its own; a joint-conference office also what is overdue in its region.")
        if office is not None:
            places = places_within(office, asked.region, known)
        else:
            agency = caller.party
    return Wanted(agency=agency, state=state, overdue=asked.overdue, places=places, grade=asked.grade, due_before=asked.due_before)

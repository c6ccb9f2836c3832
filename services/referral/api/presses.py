"""How does a joint-conference office press an agency (督办), the agency answer, and the office close?"""

from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Depends, Query, Request
from fastapi import Response as HttpResponse
from pydantic import BaseModel, ConfigDict, Field

from services.referral import store
from services.referral.api.directory import known_now, overseen
from services.referral.api.lists import Lister
from services.referral.api.saying import entered
from services.referral.api.shown import leg_shown
from services.referral.domain.agency import CODE
from services.referral.domain.press import PressAnswer, Reason
from services.referral.handlers import AnswerPress, ClosePress, PressLegs
from services.referral.store import Wanted
from shared import paging
from shared.http import keyed, reply, said
from shared.identifiers import case_of
from shared.identity import Allow, Caller
from shared.messages import Response
from shared.moments import Instant

Agency = Annotated[Caller, Depends(Allow("agency"))]
router = APIRouter(tags=["joint conference"])


class PressBody(BaseModel):
    """Until when an answer is wanted (within 90 days), and why, as a code."""

    model_config = ConfigDict(extra="forbid", hide_input_in_errors=True)
    due: Instant
    reason: Reason


class CasePressBody(PressBody):
    """`agency`: only its legs of the case; without it every open leg."""

    agency: str | None = Field(default=None, pattern=f"^{CODE.pattern}$")


class PressAnswerBody(BaseModel):
    """How the agency stands to what it is pressed for."""

    model_config = ConfigDict(extra="forbid", hide_input_in_errors=True)
    answer: PressAnswer


class PressesAsked(BaseModel):
    """A page of the list of open presses."""

    model_config = ConfigDict(extra="forbid", hide_input_in_errors=True)
    after: str | None = Field(default=None, description="`next` of the page before.")
    limit: int = Field(default=50, ge=1, le=paging.MOST)


@router.get("/presses")
async def presses(request: Request, caller: Lister, asked: Annotated[PressesAsked, Query()]) -> HttpResponse:
    """Legs with an open press: those that an office has made, that an agency owes an answer to, or to an operator all."""
    known = await known_now(request)
    office = caller.kind == "agency" and overseen(caller, known) is not None
    own = None if office or caller.kind == "operator" else caller.party
    wanted = Wanted(agency=own, state="any", pressed=True, pressed_by=caller.party if office else None)
    found = await store.list_legs(request.app.state.engine, wanted, paging.position(asked.after), asked.limit)
    following = paging.following([leg for leg, _ in found], asked.limit, "issued_at")
    return reply(Response.json(200, {"legs": [leg_shown(*pair) for pair in found], "next": following}))


@router.post("/legs/{leg}/press", status_code=201)
async def press(leg: UUID, body: PressBody, request: Request, caller: Agency) -> HttpResponse:
    """An office presses the agency of one open leg in its region; needs an Idempotency-Key. 409 `press-open` while another press is open."""
    wanted = PressLegs(office=caller.party, due=body.due, reason=body.reason, leg=leg)
    return await entered(request, await keyed(request, said(request, caller, case_of(leg), wanted)))


@router.post("/cases/{case}/press", status_code=201)
async def press_case(case: UUID, body: CasePressBody, request: Request, caller: Agency) -> HttpResponse:
    """The same for every open leg of a case that is not pressed yet, or for those of one agency."""
    wanted = PressLegs(office=caller.party, due=body.due, reason=body.reason, agency=body.agency)
    return await entered(request, await keyed(request, said(request, caller, case, wanted)))


@router.post("/legs/{leg}/press/answer")
async def answer(leg: UUID, body: PressAnswerBody, request: Request, caller: Agency) -> HttpResponse:
    """The pressed agency answers; the first answer stands. Accepting, acting on or ending the leg answers a press as well."""
    return await entered(request, said(request, caller, case_of(leg), AnswerPress(leg=leg, agency=caller.party, answer=body.answer)))


@router.post("/legs/{leg}/press/close")
async def close(leg: UUID, request: Request, caller: Agency) -> HttpResponse:
    """The office that pressed closes; 409 `needs-answer` while the agency has not answered. Twice is the same result."""
    return await entered(request, said(request, caller, case_of(leg), ClosePress(leg=leg, office=caller.party)))

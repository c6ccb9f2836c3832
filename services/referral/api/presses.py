"""How does a joint-conference office press an agency (督办), the agency answer, and the office close?"""

from typing import Annotated, Any
from uuid import UUID

from fastapi import APIRouter, Depends, Query, Request
from fastapi import Response as HttpResponse
from pydantic import BaseModel, ConfigDict, Field

from services.referral import oversight
from services.referral.api.directory import known_now
from services.referral.api.joint import overseen
from services.referral.api.lists import Lister
from services.referral.api.shown import leg_shown
from services.referral.domain.agency import CODE
from services.referral.domain.press import PressAnswer, Reason
from services.referral.handlers import AnswerPress, ClosePress, PressLegs
from services.referral.store import Wanted
from shared import paging
from shared.http import enter, keyed, message_of, reply
from shared.identifiers import case_of
from shared.identity import Allow, Caller
from shared.messages import Message, Response
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
    wanted = Wanted(agency=None if office or caller.kind == "operator" else caller.party, state="any")
    place = paging.position(asked.after)
    found = await oversight.pressed(request.app.state.engine, wanted, caller.party if office else None, place, asked.limit)
    following = paging.following([leg for leg, _ in found], asked.limit, "issued_at")
    return reply(Response.json(200, {"legs": [leg_shown(*pair) for pair in found], "next": following}))


@router.post("/legs/{leg}/press", status_code=201)
async def press(leg: UUID, body: PressBody, request: Request, caller: Agency) -> HttpResponse:
    """An office presses the agency of one open leg in its region; needs an Idempotency-Key. 409 `press-open` while another press is open."""
    wanted = PressLegs(office=caller.party, due=body.due, reason=body.reason, leg=leg)
    return await _entered(request, await keyed(request, _message(request, caller, wanted, case_of(leg))))


@router.post("/cases/{case}/press", status_code=201)
async def press_case(case: UUID, body: CasePressBody, request: Request, caller: Agency) -> HttpResponse:
    """The same for every open leg of a case that is not pressed yet, or for those of one agency."""
    wanted = PressLegs(office=caller.party, due=body.due, reason=body.reason, agency=body.agency)
    return await _entered(request, await keyed(request, _message(request, caller, wanted, case)))


@router.post("/legs/{leg}/press/answer")
async def answer(leg: UUID, body: PressAnswerBody, request: Request, caller: Agency) -> HttpResponse:
    """The pressed agency answers; the first answer stands. Accepting, acting on or ending the leg answers a press as well."""
    return await _entered(request, _message(request, caller, AnswerPress(leg=leg, agency=caller.party, answer=body.answer), case_of(leg)))


@router.post("/legs/{leg}/press/close")
async def close(leg: UUID, request: Request, caller: Agency) -> HttpResponse:
    """The office that pressed closes; 409 `needs-answer` while the agency has not answered. Twice is the same result."""
    return await _entered(request, _message(request, caller, ClosePress(leg=leg, office=caller.party), case_of(leg)))


async def _entered(request: Request, message: Message) -> HttpResponse:
    return reply(await enter(request.app.state.cases, message))


def _message(request: Request, caller: Caller, body: Any, case: UUID) -> Message:
    return Message(
        body=body,
        aggregate=case,
        source=f"unit:{caller.party}",
        actor=f"{caller.party}/{caller.role}",
        traceparent=message_of(request),
    )

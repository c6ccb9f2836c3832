"""What may an agency do with a leg beside answering it?"""

from typing import Annotated, Any
from uuid import UUID

from fastapi import APIRouter, Depends, Request
from fastapi import Response as HttpResponse
from pydantic import AwareDatetime, BaseModel, ConfigDict, Field

from services.referral.api.saying import told
from services.referral.domain.agency import CODE
from services.referral.domain.leg import ForwardReason, HoldReason, VoidReason, WithdrawalReason
from services.referral.handlers import AskWithdrawal, TakeAnswer, VoidLeg
from shared.identifiers import case_of
from shared.identity import Allow, Caller

Agency = Annotated[Caller, Depends(Allow("agency"))]
Overseer = Annotated[Caller, Depends(Allow("agency", "operator"))]
router = APIRouter(tags=["legs"])


class MoveBody(BaseModel):
    """`at`: when the agency says it happened; what counts is when it was received."""

    model_config = ConfigDict(extra="forbid", hide_input_in_errors=True)
    at: AwareDatetime | None = None


class ForwardBody(MoveBody):
    """`to`: an agency of the duty's department, or a joint-conference office; without it whoever has the duty in the place of the case."""

    to: str | None = Field(default=None, pattern=f"^{CODE.pattern}$")
    reason: ForwardReason


class HoldBody(MoveBody):
    """`until`: when the leg goes on by itself."""

    reason: HoldReason
    until: AwareDatetime


class WithdrawalBody(BaseModel):
    """Why the agency should let go of it: a code."""

    model_config = ConfigDict(extra="forbid", hide_input_in_errors=True)
    reason: WithdrawalReason


class VoidBody(BaseModel):
    """What the error was: a code."""

    model_config = ConfigDict(extra="forbid", hide_input_in_errors=True)
    reason: VoidReason


@router.post("/legs/{leg}/forwarded")
async def forwarded(leg: UUID, body: ForwardBody, request: Request, caller: Agency) -> HttpResponse:
    """The duty goes on to another agency, or back; its clocks run on. 409 where it cannot, with the state of the leg."""
    return await _moved(request, caller, leg, "forwarded", claimed_at=body.at, code=body.reason, to=body.to)


@router.post("/legs/{leg}/held")
async def held(leg: UUID, body: HoldBody, request: Request, caller: Agency) -> HttpResponse:
    """The caller puts an accepted leg off: `active` and `done` stand still until then, no longer than the rules allow. 409 otherwise."""
    return await _moved(request, caller, leg, "held", claimed_at=body.at, code=body.reason, until=body.until)


@router.post("/legs/{leg}/resumed")
async def resumed(leg: UUID, request: Request, caller: Agency, body: MoveBody | None = None) -> HttpResponse:
    """The caller goes on before the time is over; its clocks too. 409 `not-held` otherwise."""
    return await _moved(request, caller, leg, "resumed", claimed_at=body.at if body else None)


@router.post("/legs/{leg}/withdrawal")
async def withdrawal(leg: UUID, body: WithdrawalBody, request: Request, caller: Overseer) -> HttpResponse:
    """Asks the agency of a leg to let go of it: a joint-conference office of the place, an agency that forwarded it, or an operator.

    The first one who asks stands, until the agency answers `withdrawn` or `kept`.
    """
    asked = AskWithdrawal(leg=leg, by=caller.party, operator=caller.kind == "operator", code=body.reason)
    return await told(request, caller, case_of(leg), asked)


@router.post("/legs/{leg}/withdrawn")
async def withdrawn(leg: UUID, request: Request, caller: Agency, body: MoveBody | None = None) -> HttpResponse:
    """The agency lets go of the leg, as it was asked to; 409 `not-asked` when nobody has."""
    return await _moved(request, caller, leg, "withdrawn", claimed_at=body.at if body else None)


@router.post("/legs/{leg}/kept")
async def kept(leg: UUID, request: Request, caller: Agency, body: MoveBody | None = None) -> HttpResponse:
    """The agency keeps the leg that it was asked to let go; 409 `not-asked` when nobody has."""
    return await _moved(request, caller, leg, "kept", claimed_at=body.at if body else None)


@router.post("/legs/{leg}/void")
async def void(leg: UUID, body: VoidBody, request: Request, caller: Overseer) -> HttpResponse:
    """Ends a leg that was issued in error: a joint-conference office of the place (not of its own legs), or an operator."""
    return await told(
        request, caller, case_of(leg), VoidLeg(leg=leg, by=caller.party, operator=caller.kind == "operator", code=body.reason)
    )


async def _moved(request: Request, caller: Caller, leg: UUID, word: str, **said: Any) -> HttpResponse:
    return await told(request, caller, case_of(leg), TakeAnswer(leg=leg, agency=caller.party, answer=word, via="http", **said))

"""What may an agency do with a leg beside answering it?"""

from typing import Annotated, Any
from uuid import UUID

from fastapi import APIRouter, Depends, Request
from fastapi import Response as HttpResponse
from pydantic import AwareDatetime, BaseModel, ConfigDict, Field

from services.referral.domain.agency import CODE
from services.referral.domain.leg import ForwardReason
from services.referral.handlers import TakeAnswer
from shared.http import enter, keyed, message_of, reply
from shared.identifiers import case_of
from shared.identity import Allow, Caller
from shared.messages import Message

Agency = Annotated[Caller, Depends(Allow("agency"))]
router = APIRouter(tags=["legs"])


class MoveBody(BaseModel):
    """`at`: when the agency says it happened; what counts is when it was received."""

    model_config = ConfigDict(extra="forbid", hide_input_in_errors=True)
    at: AwareDatetime | None = None


class ForwardBody(MoveBody):
    """`to`: an agency of the duty's department, or a joint-conference office; without it whoever has the duty in the place of the case."""

    to: str | None = Field(default=None, pattern=f"^{CODE.pattern}$")
    reason: ForwardReason


@router.post("/legs/{leg}/forwarded")
async def forwarded(leg: UUID, body: ForwardBody, request: Request, caller: Agency) -> HttpResponse:
    """The duty goes on to another agency, or back; its clocks run on. 409 where it cannot, with the state of the leg."""
    return await _moved(request, caller, leg, "forwarded", claimed_at=body.at, code=body.reason, to=body.to)


async def _moved(request: Request, caller: Caller, leg: UUID, word: str, **said: Any) -> HttpResponse:
    message = Message(
        body=TakeAnswer(leg=leg, agency=caller.party, answer=word, via="http", **said),
        aggregate=case_of(leg),
        source=f"unit:{caller.party}",
        actor=f"{caller.party}/{caller.role}",
        traceparent=message_of(request),
    )
    return reply(await enter(request.app.state.cases, await keyed(request, message, required=False)))

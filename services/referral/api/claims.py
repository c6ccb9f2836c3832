"""How does one officer take a leg from the queue of the agency, and give it back?"""

from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Depends, Request
from fastapi import Response as HttpResponse
from pydantic import BaseModel, ConfigDict, Field

from services.referral.api.saying import entered
from services.referral.handlers import ClaimLeg
from services.referral.handlers.claims import Step
from shared.http import said
from shared.identifiers import case_of
from shared.identity import Allow, Caller
from shared.messages import Message

Agency = Annotated[Caller, Depends(Allow("agency"))]
Officer = Annotated[str, Field(pattern=r"^[A-Za-z0-9._-]{1,64}$")]
router = APIRouter(tags=["legs"])


class ClaimBody(BaseModel):
    """`officer`: a handle of the agency's own choice, no name and no number of a person; without it the caller's token is the officer."""

    model_config = ConfigDict(extra="forbid", hide_input_in_errors=True)
    officer: Officer | None = None


@router.post("/legs/{leg}/claim")
async def claim(leg: UUID, request: Request, caller: Agency, body: ClaimBody | None = None) -> HttpResponse:
    """One officer takes an open leg of the caller; the same officer again is the same result. 409 `leg-claimed` with its time to any other."""
    return await entered(request, claim_message(request, caller, "claim", leg, body.officer if body else None))


@router.post("/legs/{leg}/release")
async def release(leg: UUID, request: Request, caller: Agency, body: ClaimBody | None = None) -> HttpResponse:
    """Whoever has the leg gives it back to the queue; 409 `leg-claimed` when another officer has it."""
    return await entered(request, claim_message(request, caller, "release", leg, body.officer if body else None))


def claim_message(request: Request, caller: Caller, step: Step, leg: UUID, officer: str | None) -> Message:
    """Needs no key: the leg itself makes the same step twice harmless."""
    return said(request, caller, case_of(leg), ClaimLeg(leg=leg, agency=caller.party, step=step, officer=officer or caller.token))

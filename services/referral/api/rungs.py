"""How does a person of an agency that a rung has told say that it was taken note of?"""

from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Depends, Path, Request
from fastapi import Response as HttpResponse

from services.referral.api.saying import told
from services.referral.handlers import AcknowledgeRung
from shared.identifiers import case_of
from shared.identity import Allow, Caller

Agency = Annotated[Caller, Depends(Allow("agency"))]
router = APIRouter(tags=["legs"])


@router.post("/legs/{leg}/rungs/{rung}/ack")
async def acknowledge(leg: UUID, rung: Annotated[int, Path(ge=0, le=99)], request: Request, caller: Agency) -> HttpResponse:
    """The caller was told by this rung and has taken note: it is told no more. The next rung comes all the same. Twice is the same result."""
    return await told(request, caller, case_of(leg), AcknowledgeRung(leg=leg, rung=rung, agency=caller.party, via="http"))

"""How is a running case moved to other rules? By a person, with a reason."""

from typing import Annotated, Literal
from uuid import UUID

from fastapi import APIRouter, Request
from fastapi import Response as HttpResponse
from pydantic import BaseModel, ConfigDict, Field

from services.referral.api.saying import told
from services.referral.api.stories import Ordering, who
from services.referral.handlers import MoveRules

router = APIRouter(tags=["cases"])


class RulesBody(BaseModel):
    """`rules`: the hash of rules that were in force here at some time, as `heli rules explain` and every case show it."""

    model_config = ConfigDict(extra="forbid", hide_input_in_errors=True)
    rules: Annotated[str, Field(pattern="^[0-9a-f]{64}$")]
    reason: Literal["rules_corrected", "law_changed", "county_decision", "other"]


@router.post("/cases/{case}/rules")
async def move(case: UUID, body: RulesBody, request: Request, caller: Ordering) -> HttpResponse:
    """For an operator or the joint-conference office of the place: its open clocks are counted by these rules from now on, and its agencies told."""
    return await told(request, caller, case, MoveRules(case=case, rules=body.rules, reason=body.reason, **who(caller)))

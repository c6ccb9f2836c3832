"""How does a person link cases of one child, or undo a link, and what does one see of a case with what is linked to it?"""

from typing import Annotated, Any, Literal
from uuid import UUID

from fastapi import APIRouter, Depends, Request
from fastapi import Response as HttpResponse
from pydantic import BaseModel, ConfigDict

from services.referral.api.directory import known_now
from services.referral.api.saying import told
from services.referral.api.shown import case_shown, linked_shown, whole_case
from services.referral.domain import routing
from services.referral.handlers import LinkCase, UnlinkCase
from services.referral.store import stories
from shared.errors import NotFound
from shared.http import reply
from shared.identity import Allow, Caller
from shared.messages import Response

Ordering = Annotated[Caller, Depends(Allow("agency", "operator"))]
router = APIRouter(tags=["cases"])


class LinkBody(BaseModel):
    """`to`: another open case. The reason is a code: words would carry personal values."""

    model_config = ConfigDict(extra="forbid", hide_input_in_errors=True)
    to: UUID
    reason: Literal["same_child", "same_household", "other"]


class UnlinkBody(BaseModel):
    """Why it was a mistake."""

    model_config = ConfigDict(extra="forbid", hide_input_in_errors=True)
    reason: Literal["another_child", "number_mistyped", "linked_by_mistake", "other"]


@router.post("/cases/{case}/link")
async def link(case: UUID, body: LinkBody, request: Request, caller: Ordering) -> HttpResponse:
    """For an operator or the joint-conference office of the place: both cases tell of one child. Both become as urgent as the more urgent one."""
    return await told(request, caller, case, LinkCase(case=case, to=body.to, reason=body.reason, **who(caller)))


@router.post("/cases/{case}/unlink")
async def unlink(case: UUID, body: UnlinkBody, request: Request, caller: Ordering) -> HttpResponse:
    """For an operator or the joint-conference office of the place: the case tells of another child. What other cases covered is issued."""
    return await told(request, caller, case, UnlinkCase(case=case, reason=body.reason, **who(caller)))


def who(caller: Caller) -> dict[str, Any]:
    return {"by": caller.party, "office": None if caller.kind == "operator" else caller.party}


@router.get("/cases/{case}")
async def one(case: UUID, request: Request, caller: Ordering) -> HttpResponse:
    """A case and the cases linked to it.

    Whole for an operator, with all its legs for the joint-conference office of its place. An agency needs a leg of it, or an open one
    of its story, and sees its own legs.
    """
    engine = request.app.state.engine
    found = await stories.one_case(engine, case)
    if found is None:
        raise NotFound
    row, legs = found
    if caller.kind == "operator":
        linked = (await stories.linked_to(engine, [row], None)).get(case, ())
        return reply(Response.json(200, whole_case(row, legs) | linked_shown(row, linked)))
    oversees = routing.oversees(await known_now(request), caller.party, row.region)
    own = legs if oversees else [leg for leg in legs if leg.agency == caller.party]
    linked = (await stories.linked_to(engine, [row], None if oversees else caller.party)).get(case, ())
    if not oversees and not own and not linked:
        raise NotFound
    return reply(Response.json(200, case_shown(row, own) | linked_shown(row, linked)))

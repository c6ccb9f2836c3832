"""How does a person link cases of one child, or undo a link, and what does one see of a case with what is linked to it?"""

from typing import Annotated, Any, Literal
from uuid import UUID

from fastapi import APIRouter, Depends, Request
from fastapi import Response as HttpResponse
from pydantic import BaseModel, ConfigDict

from services.referral.api.shown import case_shown, linked_shown, whole_case
from services.referral.handlers import LinkCase, UnlinkCase
from services.referral.store import stories
from shared.errors import NotFound
from shared.http import enter, keyed, message_of, reply
from shared.identity import Allow, Caller
from shared.messages import Message, Response

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
    return await order(request, caller, LinkCase(case=case, to=body.to, reason=body.reason, **who(caller)))


@router.post("/cases/{case}/unlink")
async def unlink(case: UUID, body: UnlinkBody, request: Request, caller: Ordering) -> HttpResponse:
    """For an operator or the joint-conference office of the place: the case tells of another child. What other cases covered is issued."""
    return await order(request, caller, UnlinkCase(case=case, reason=body.reason, **who(caller)))


def who(caller: Caller) -> dict[str, Any]:
    return {"by": caller.party, "office": None if caller.kind == "operator" else caller.party}


async def order(request: Request, caller: Caller, body: Any) -> HttpResponse:
    """Hands an order about a case to its room; a key makes a repeated one the same."""
    message = Message(
        body=body,
        aggregate=body.case,
        source=f"unit:{caller.party}",
        actor=f"{caller.party}/{caller.role}",
        traceparent=message_of(request),
    )
    return reply(await enter(request.app.state.cases, await keyed(request, message, required=False)))


@router.get("/cases/{case}")
async def one(case: UUID, request: Request, caller: Ordering) -> HttpResponse:
    """A case with the legs that the caller may see, and the cases linked to it, for whoever holds a leg of it or an open one of its story."""
    engine, agency = request.app.state.engine, None if caller.kind == "operator" else caller.party
    found = await stories.one_case(engine, case, agency)
    if found is None:
        raise NotFound
    linked = (await stories.linked_to(engine, [found[0]], agency)).get(case)
    if agency is not None and not found[1] and linked is None:
        raise NotFound
    show = whole_case if agency is None else case_shown
    return reply(Response.json(200, show(*found) | linked_shown(found[0], linked or ())))

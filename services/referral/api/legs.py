"""How does an agency answer a leg, or many at once, and what does it see of one?"""

import asyncio
from typing import Annotated, Any, Literal
from uuid import UUID

import msgspec
from fastapi import APIRouter, Depends, Request
from fastapi import Response as HttpResponse
from pydantic import BaseModel, ConfigDict, Field

from services.referral import store
from services.referral.api.claims import Officer, claim_message
from services.referral.api.saying import entered
from services.referral.api.shown import chain_shown, whole_leg
from services.referral.domain.leg import Answer, DeclineReason, Outcome
from services.referral.handlers import TakeAnswer
from shared import inbox
from shared.errors import Fault, NotFound, Problem, Unavailable
from shared.http import enter, keyed, reply, said
from shared.identifiers import case_of
from shared.identity import Allow, Caller
from shared.messages import Message, Response
from shared.moments import Instant

Agency = Annotated[Caller, Depends(Allow("agency"))]
MOST_ROWS = 200
"""Legs of one bulk answer: what one transaction of the door takes."""
router = APIRouter(tags=["legs"])


Code = Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9_]{0,39}$")]


class AnswerBody(BaseModel):
    """`at`: when the agency says it happened; what counts is when it was received.

    `step`: with `active`, a step of the duty's path; `details`: with a step or with `fulfilled`, each a list of codes of the duty.
    """

    model_config = ConfigDict(extra="forbid", hide_input_in_errors=True)
    reason: DeclineReason | None = None
    outcome: Outcome | None = None
    at: Instant | None = None
    step: Code | None = None
    details: Annotated[dict[Code, Annotated[list[Code], Field(min_length=1, max_length=20)]], Field(max_length=20)] = {}


class RowBody(AnswerBody):
    """One leg of a bulk answer."""

    leg: UUID
    officer: Officer | None = None


class BulkBody(BaseModel):
    """The same answer for many legs; `assigned` gives each to the officer of its row."""

    model_config = ConfigDict(extra="forbid", hide_input_in_errors=True)
    answer: Answer | Literal["assigned"]
    legs: list[RowBody] = Field(min_length=1, max_length=MOST_ROWS)


@router.post("/legs/bulk", responses={207: {"description": "A row for each leg, in order: its status, and its state or problem."}})
async def bulk(body: BulkBody, request: Request, caller: Agency) -> HttpResponse:
    """One answer for 1 to 200 legs of the caller: 207 with a row each; 422 with the same rows when every one failed."""
    _each_once(body.legs)
    messages = await _messages(body, request, caller)
    own = await store.legs_held(request.app.state.engine, caller.party, [row.leg for row in body.legs])
    taken = await asyncio.gather(
        *(_one(request, body.answer, row, message, own) for row, message in zip(body.legs, messages, strict=True)), return_exceptions=True
    )
    rows = [_row(given.leg, outcome) for given, outcome in zip(body.legs, taken, strict=True)]
    if all(row["status"] == Unavailable().status for row in rows):
        raise Unavailable
    if all(row["status"] >= 400 for row in rows):  # noqa: PLR2004 - HTTP: refused
        raise Problem(422, "nothing-taken", "Not one of these answers was taken; `rows` says why, in their order.", rows=rows)
    return reply(Response.json(207, {"rows": rows}))


def _each_once(rows: list[RowBody]) -> None:
    legs = [row.leg for row in rows]
    twice = [place for place, leg in enumerate(legs) if leg in legs[:place]]
    if twice:
        faults = tuple(Fault(f"/legs/{place}/leg", "leg-twice", "A leg can be answered once in one request.") for place in twice)
        raise Problem(422, "invalid", "Nothing was stored.", faults=faults)


async def _messages(body: BulkBody, request: Request, caller: Caller) -> list[Message]:
    """A message for each row, with a key of its own below the request's. A key used for another body is refused as a whole."""
    first = await keyed(request, _of_row(request, caller, body.answer, body.legs[0]))
    messages = [
        msgspec.structs.replace(
            _of_row(request, caller, body.answer, row), id=f"{first.id}/{place}", digest=first.digest, source=first.source
        )
        for place, row in enumerate(body.legs)
    ]
    every = [f"{first.id}/{place}" for place in range(MOST_ROWS)]
    if await inbox.used_otherwise(request.app.state.pool, request.app.state.cases.room.kind.name, first.source, every, first.digest):
        raise inbox.REUSED
    return messages


def _of_row(request: Request, caller: Caller, answer: str, row: RowBody) -> Message:
    if answer == "assigned":
        return claim_message(request, caller, "assign", row.leg, row.officer)
    return _message(request, caller, answer, row.leg, row)


async def _one(request: Request, answer: str, row: RowBody, message: Message, own: set[UUID]) -> Response:
    """A leg of somebody else is told apart here: the room would keep its 404 under the key, also when the right comes a moment later."""
    _complete(answer, row)
    if row.leg not in own:
        raise NotFound
    return await enter(request.app.state.cases, message)


def _row(leg: UUID, outcome: Response | BaseException) -> dict[str, Any]:
    if isinstance(outcome, Problem):
        outcome = Response.of(outcome)
    if isinstance(outcome, BaseException):
        raise outcome
    body = msgspec.json.decode(outcome.body)
    if outcome.status >= 400:  # noqa: PLR2004 - HTTP: refused
        return {"leg": leg, "status": outcome.status, "problem": body}
    return {"leg": leg, "status": outcome.status, "case": body["case"], "state": body["state"]}


@router.post("/legs/{leg}/{answer}")
async def answer(leg: UUID, answer: Answer, request: Request, caller: Agency, body: AnswerBody | None = None) -> HttpResponse:
    """seen, accepted, active, declined (with a reason) or fulfilled (with an outcome). The same answer twice is the same result; 409 after an end."""
    given = body or AnswerBody()
    _complete(answer, given)
    message = _message(request, caller, answer, leg, given)
    return await entered(request, await keyed(request, message, required=False))


def _complete(answer: str, given: AnswerBody) -> None:
    if answer == "assigned" and isinstance(given, RowBody) and given.officer is None:
        raise Problem(422, "invalid", "Nothing was stored.", faults=(Fault("/officer", "missing", "Somebody must get the leg."),))
    if answer == "declined" and given.reason is None:
        raise Problem(422, "invalid", "Nothing was stored.", faults=(Fault("/reason", "missing", "A refusal needs its reason code."),))
    if answer == "fulfilled" and given.outcome is None:
        raise Problem(422, "invalid", "Nothing was stored.", faults=(Fault("/outcome", "missing", "An end needs its outcome code."),))


def _message(request: Request, caller: Caller, answer: str, leg: UUID, given: AnswerBody) -> Message:
    code = given.reason if answer == "declined" else given.outcome
    body = TakeAnswer(
        leg=leg, agency=caller.party, answer=answer, via="http", claimed_at=given.at, code=code, step=given.step, details=given.details
    )
    return said(request, caller, case_of(leg), body)


@router.get("/legs/{leg}")
async def one_leg(leg: UUID, request: Request, caller: Agency) -> HttpResponse:
    """One leg of the caller, open or ended, with the chain in which it stands: from whom the duty came, and to whom it went."""
    found = await store.leg(request.app.state.engine, leg)
    if found is None or found[0].agency != caller.party:
        raise NotFound
    chain = await store.chain(request.app.state.engine, found[0])
    return reply(Response.json(200, {**whole_leg(*found), "chain": chain_shown(chain)}))

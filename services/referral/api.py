"""What may be asked of referral by HTTP? An agency answers and lists its legs; an operator keeps the directory."""

import re
from typing import Annotated, Any, Literal
from uuid import UUID

from fastapi import APIRouter, Depends, Header, Path, Query, Request
from fastapi import Response as HttpResponse
from pydantic import AwareDatetime, BaseModel, ConfigDict, Field

from services.referral import store
from services.referral.domain.agency import CODE, DEPARTMENTS, agency_id
from services.referral.domain.leg import CLOCKS, Answer, DeclineReason, Outcome
from services.referral.handlers import PutAgency, TakeAnswer
from services.referral.tables import CaseRow, LegRow
from shared import paging
from shared.contracts.directory import AgencyChanged
from shared.errors import Fault, NotFound, Problem
from shared.http import enter, keyed, message_of, reply
from shared.identifiers import case_of
from shared.identity import Allow, Caller
from shared.messages import Message, Response

Agency = Annotated[Caller, Depends(Allow("agency"))]
Operator = Annotated[Caller, Depends(Allow("operator"))]
Limit = Annotated[int, Query(ge=1, le=paging.MOST)]
_ETAG = re.compile(r'"?([0-9]{1,9})"?')
router = APIRouter()


class AnswerBody(BaseModel):
    """`at`: when the agency says it happened; what counts is when it was received."""

    model_config = ConfigDict(extra="forbid", hide_input_in_errors=True)
    reason: DeclineReason | None = None
    outcome: Outcome | None = None
    at: AwareDatetime | None = None


@router.post("/legs/{leg}/{answer}", tags=["legs"])
async def answer(leg: UUID, answer: Answer, request: Request, caller: Agency, body: AnswerBody | None = None) -> HttpResponse:
    """seen, accepted, active, declined (with a reason) or fulfilled (with an outcome). The same answer twice is the same result; 409 after an end."""
    given = body or AnswerBody()
    if answer == "declined" and given.reason is None:
        raise Problem(422, "invalid", "Nothing was stored.", faults=(Fault("/reason", "missing", "A refusal needs its reason code."),))
    if answer == "fulfilled" and given.outcome is None:
        raise Problem(422, "invalid", "Nothing was stored.", faults=(Fault("/outcome", "missing", "An end needs its outcome code."),))
    code = given.reason if answer == "declined" else given.outcome
    taken = TakeAnswer(leg=leg, agency=caller.party, answer=answer, via="http", claimed_at=given.at, code=code)
    message = Message(
        body=taken,
        aggregate=case_of(leg),
        source=f"unit:{caller.party}",
        actor=f"{caller.party}/{caller.role}",
        traceparent=message_of(request),
    )
    return reply(await enter(request.app.state.cases, await keyed(request, message, required=False)))


@router.get("/legs", tags=["legs"])
async def legs(request: Request, caller: Agency, after: str | None = None, limit: Limit = 50) -> HttpResponse:
    """The caller's open legs, oldest first."""
    found = await store.legs_of(request.app.state.engine, caller.party, paging.position(after), limit)
    last = found[-1][0] if len(found) == limit else None
    shown = [_shown(row, case) for row, case in found]
    return reply(Response.json(200, {"legs": shown, "next": paging.cursor(last.issued_at, last.id) if last else None}))


@router.get("/legs/{leg}", tags=["legs"])
async def one_leg(leg: UUID, request: Request, caller: Agency) -> HttpResponse:
    """One leg of the caller, open or ended."""
    found = await store.leg(request.app.state.engine, leg)
    if found is None or found[0].agency != caller.party:
        raise NotFound
    return reply(Response.json(200, _shown(*found)))


def _shown(leg: LegRow, case: CaseRow) -> dict[str, Any]:
    missed = leg.missed.split()
    clocks = {
        clock: {
            "due": getattr(leg, f"{clock}_due"),
            "at": leg.ended_at if clock == "done" else getattr(leg, f"{clock}_at"),
            "missed": clock in missed,
        }
        for clock in CLOCKS
    }
    return {
        "leg": leg.id,
        "case": case.id,
        "report": case.report,
        "code": case.code,
        "grade": case.grade,
        "agency": leg.agency,
        "department": leg.department,
        "duty": leg.duty,
        "unassigned": leg.unassigned,
        "replaces": leg.replaces,
        "issued_at": leg.issued_at,
        "ended": leg.ended,
        "end_code": leg.end_code,
        "clocks": clocks,
        "rungs_fired": leg.rung,
        "told": leg.told.split(),
        "next_rung": leg.rung_due,
    }


class AgencyBody(BaseModel):
    """An entry of the directory. `region`: 6, 9 or 12 digits; `phone`: the duty line of the office, no person's."""

    model_config = ConfigDict(extra="forbid", hide_input_in_errors=True)
    name: str = Field(min_length=1, max_length=120)
    department: Literal[DEPARTMENTS]  # type: ignore[valid-type]
    region: str = Field(pattern=r"^(nbs:)?(\d{6}|\d{9}|\d{12})$")
    superior: str | None = None
    phone: str = Field(default="", max_length=40)
    active: bool = True


Code = Annotated[str, Path(pattern=f"^{CODE.pattern}$")]


@router.put("/agencies/{code}", tags=["directory"])
async def put_agency(
    code: Code, body: AgencyBody, request: Request, caller: Operator, if_match: Annotated[str | None, Header()] = None
) -> HttpResponse:
    """Creates or changes an entry. An edit names the version it has seen (If-Match); 412 when somebody was quicker."""
    entry = AgencyChanged(agency=code, version=0, **body.model_dump())
    message = Message(
        body=PutAgency(entry, version_in(if_match)), aggregate=agency_id(code), actor=caller.party, traceparent=message_of(request)
    )
    return reply(await enter(request.app.state.agencies, message))


def version_in(if_match: str | None) -> int:
    """The version that a caller has seen; 0 (there is none yet) for whatever is no ETag of ours."""
    found = _ETAG.fullmatch(if_match or "")
    return int(found[1]) if found else 0


@router.get("/agencies/{code}", tags=["directory"])
async def get_agency(code: Code, request: Request, _: Annotated[Caller, Depends(Allow("operator", "agency"))]) -> HttpResponse:
    """One entry; its ETag is what an edit must name."""
    async with request.app.state.pool.acquire() as db:
        entry = (await store.entries(db)).get(code)
    if entry is None:
        raise NotFound
    answered = reply(Response.json(200, entry))
    answered.headers["etag"] = f'"{entry.version}"'
    return answered


@router.get("/operator/reports/{report}", tags=["operations"])
async def report(report: UUID, request: Request, _: Operator) -> HttpResponse:
    """The cases of a report with every leg, its clocks, and what is due next."""
    found = await store.cases_of(request.app.state.engine, report)
    cases = [_case(case, rows) for case, rows in found]
    return reply(Response.json(200, {"report": report, "cases": cases}))


def _case(case: CaseRow, rows: list[LegRow]) -> dict[str, Any]:
    return {
        "case": case.id,
        "number": case.number,
        "child": case.child,
        "grade": case.grade,
        "region": case.region,
        "opened_at": case.opened_at,
        "closed_at": case.closed_at,
        "next_due": case.next_due,
        "legs": [_shown(row, case) for row in rows],
    }

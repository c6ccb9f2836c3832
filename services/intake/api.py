"""What may be asked of intake by HTTP? Filing a report, reading it by right of an open leg, following it as its reporter, who reported late."""

import secrets
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import Annotated, Any, Literal
from uuid import UUID

import msgspec
from fastapi import APIRouter, Depends, Query, Request
from fastapi import Response as HttpResponse
from pydantic import BaseModel, ConfigDict, Field

from services.intake import store
from services.intake.domain.content import narrow
from services.intake.domain.lateness import GROUPS_ALONE, WITH_SITUATION
from services.intake.domain.told import Told, Unit, content_of, faults
from services.intake.handlers import CODE_KEY, FileReport, NameUnreported, Reading, ReadReport, unreported_shown
from shared import paging
from shared.calendar import SHANGHAI
from shared.contracts.directory import JOINT_CONFERENCE
from shared.errors import Clash, NotFound, Problem, Unavailable
from shared.http import enter, keyed, message_of, reply, said
from shared.identifiers import case_id, format_short_code, new_short_code, uuid7
from shared.identity import Allow, Caller
from shared.messages import Message, Response
from shared.moments import PERIOD, Instant, period
from shared.regions import Regions

Seal = Callable[[Message], Awaitable[Message]]
CODES = 5
"""How many short codes are tried: of 2^40 even the second is hardly ever needed."""
KEY = {
    "parameters": [
        {
            "name": "Idempotency-Key",
            "in": "header",
            "required": True,
            "description": "New for each new report, the same when you repeat one: the same key gets the same answer.",
            "schema": {"type": "string", "minLength": 1, "maxLength": 128},
        }
    ]
}

router = APIRouter(tags=["reports"])


@router.post("/reports", status_code=202, openapi_extra=KEY)
async def post(told: Told, request: Request, caller: Annotated[Caller, Depends(Allow("reporter"))]) -> HttpResponse:
    """Files a report. 202 is said after the commit; `code` is the receipt number, `children` how many get a case."""
    return reply(await file(request, caller, told, partial(keyed, request)))


async def file(request: Request, caller: Caller, told: Told, seal: Seal) -> Response:
    """The one way in for a report, also for the page: checks, seals with the key, hands to the room. Raises Problem."""
    now, regions = datetime.now(UTC), Regions.load()
    region = regions.find(told.region)
    broken = faults(told, now, regions)
    if broken or region is None:
        raise Problem(422, "invalid", "Some fields break a rule. Nothing was stored.", faults=broken)
    report, unit = uuid7(), Unit(caller.party, caller.reporter_kind, caller.token)
    content = content_of(told, report, unit, request.app.state.settings.child_key, now.astimezone(SHANGHAI).date())
    body = FileReport(report=report, code=_new_code(), region=region.code, seen_at=told.seen_at, content=content)
    return await _enter(request, await seal(said(request, caller, report, body, received=now)))


async def _enter(request: Request, message: Message) -> Response:
    for _ in range(CODES):
        try:
            return await enter(request.app.state.reports, message, emergency=True)
        except Clash as clash:
            if clash.name != CODE_KEY:
                raise
            message = msgspec.structs.replace(message, body=msgspec.structs.replace(message.body, code=_new_code()))
    raise Unavailable(emergency=True)


def _new_code() -> str:
    return new_short_code(secrets.token_bytes(5))


@router.get("/reports/{report}")
async def read(report: str, request: Request, caller: Annotated[Caller, Depends(Allow("agency"))]) -> HttpResponse:
    """What the caller's department needs of a report on which, or on another one of the same child, it holds an open leg. The reading is recorded first."""
    found = await store.find(request.app.state.engine, report)
    if found is None:
        raise NotFound
    kin = await store.kin(request.app.state.engine, found.id, caller.party)
    body = ReadReport(agency=caller.party, department=caller.department, role=caller.role, kin=kin)
    message = Message(body=body, aggregate=found.id, actor=f"{caller.party}/{caller.role}", traceparent=message_of(request))
    response = await enter(request.app.state.reports, message)
    if response.status != 200:  # noqa: PLR2004 - no right, or gone meanwhile: the same as what does not exist
        raise NotFound
    reading = msgspec.json.decode(response.body, type=Reading)
    content = await store.content(request.app.state.engine, found.id)
    view = {**_about(found), "seen_at": found.seen_at, "leg": reading.leg, **narrow(content, reading.department, reading.children)}
    return _private(view)


@router.get("/reports/{report}/progress")
async def progress(report: str, request: Request, caller: Annotated[Caller, Depends(Allow("reporter"))]) -> HttpResponse:
    """How far each department is with a report of the caller's own unit: times alone, nothing of what was found."""
    found = await store.find(request.app.state.engine, report)
    if found is None or found.party != caller.party:
        raise NotFound
    legs = [_followed(leg) for leg in await store.legs(request.app.state.engine, found.id)]
    counts = {fact: sum(leg[fact] is not None for leg in legs) for fact in FACTS}
    cases = {"owed": found.minors, "open": len(found.opened.split())}
    return _private({**_about(found), "cases": cases, "counts": counts, "legs": legs})


FACTS = {"told": "issued_at", "delivered": "delivered_at", "seen": "seen_at", "accepted": "accepted_at", "done": "done_at"}


def _followed(leg: Any) -> dict[str, Any]:
    return {"leg": leg.id, "case": leg.case_id, "department": leg.department} | {fact: getattr(leg, at) for fact, at in FACTS.items()}


def _about(found: Any) -> dict[str, Any]:
    return {"report": found.id, "code": format_short_code(found.code), "received_at": found.received_at, "region": found.region}


def _private(view: dict[str, Any]) -> HttpResponse:
    response = reply(Response.json(200, view))
    response.headers["Cache-Control"] = "no-store"
    return response


class ReportingAsked(BaseModel):
    """`since` and `until` bound when reports were received: the last 30 days unless said, 366 at most. `late_after`: hours from seen to received."""

    model_config = ConfigDict(extra="forbid", hide_input_in_errors=True)
    region: str | None = Field(default=None, pattern=r"^(\d{6}|\d{9}|\d{12})$")
    since: Instant | None = None
    until: Instant | None = None
    late_after: float | None = Field(default=None, gt=0, le=24 * 366)
    after: str | None = Field(default=None, description="`next` of the page before.")
    limit: int = Field(default=50, ge=1, le=paging.MOST)


@router.get("/joint/reporters")
async def reporters(
    request: Request, caller: Annotated[Caller, Depends(Allow("agency", "operator"))], asked: Annotated[ReportingAsked, Query()]
) -> HttpResponse:
    """The accountability list of a joint-conference office: by reporter unit of its region, reports, late ones, and the delay from seen to received.

    The law says at once and gives no number: what late means is a parameter of the county (`basis` local), shown beside the list.
    """
    until = asked.until or await request.app.state.pool.fetchval("select heli_now()")
    since = asked.since or until - PERIOD
    asked_for = period(since, until, "Nothing can be listed.")
    own = timedelta(hours=asked.late_after) if asked.late_after else None
    limits = (own or WITH_SITUATION, own or GROUPS_ALONE)
    place = paging.position(asked.after)
    found = await store.reporting(request.app.state.engine, _overseen(caller, asked.region), asked_for, limits, place, asked.limit)
    late = {"with_situation_seconds": limits[0], "groups_alone_seconds": limits[1]}
    view = {"late_after": {name: limit.total_seconds() for name, limit in late.items()} | {"basis": "local"}, "units": paging.shown(found)}
    return _private({**view, "since": since, "until": until, "next": paging.following(found, asked.limit, "since")})


class UnreportedBody(BaseModel):
    """Which unit owed the report, what kind it is, and why the office says so; `withdrawn` takes it back."""

    model_config = ConfigDict(extra="forbid", hide_input_in_errors=True)
    unit: Annotated[str, Field(pattern=r"^[A-Za-z0-9._-]{1,64}$")]
    reporter_kind: Literal[
        "school", "kindergarten", "hospital", "village_committee", "social_work", "rescue_station", "welfare_home", "other"
    ]
    reason: Literal["knew", "should_have_noticed", "refused", "other", "withdrawn"]


@router.post("/joint/reports/{report}/unreported")
async def name_unreported(
    report: str, body: UnreportedBody, request: Request, caller: Annotated[Caller, Depends(Allow("agency"))]
) -> HttpResponse:
    """A joint-conference office names a unit that owed this report and did not make it. The same word twice is the same result."""
    places, found = _overseen(caller, None), await store.find(request.app.state.engine, report)
    if found is None or places is None or found.region not in places:
        raise NotFound
    wish = NameUnreported(office=caller.party, unit=body.unit, reporter_kind=body.reporter_kind, reason=body.reason)
    message = Message(body=wish, aggregate=found.id, actor=f"{caller.party}/{caller.role}", traceparent=message_of(request))
    return reply(await enter(request.app.state.reports, message))


class UnreportedAsked(BaseModel):
    """A page of the list."""

    model_config = ConfigDict(extra="forbid", hide_input_in_errors=True)
    region: str | None = Field(default=None, pattern=r"^(\d{6}|\d{9}|\d{12})$")
    after: str | None = Field(default=None, description="`next` of the page before.")
    limit: int = Field(default=50, ge=1, le=paging.MOST)


@router.get("/joint/unreported")
async def unreported(
    request: Request, caller: Annotated[Caller, Depends(Allow("agency", "operator"))], asked: Annotated[UnreportedAsked, Query()]
) -> HttpResponse:
    """The other half of the accountability list: reports of the office's region that a unit owed and another one made."""
    place = paging.position(asked.after)
    found = await store.unreported(request.app.state.engine, _overseen(caller, asked.region), place, asked.limit)
    rows = [
        {"report": row.id, "code": format_short_code(row.code), "received_at": row.received_at, "by": row.party}
        | {"unreported": unreported_shown(row.unreported.split())}
        for row in found
    ]
    return _private({"reports": rows, "next": paging.following(found, asked.limit, "received_at")})


def _overseen(caller: Caller, region: str | None) -> frozenset[str] | None:
    """What the region of a report may be; an office sees its own alone. None: any."""
    if caller.kind == "agency" and caller.department != JOINT_CONFERENCE:
        raise Problem(403, "not-for-you", "This is for joint-conference offices.")
    return Regions.load().cut(region, caller.region if caller.kind == "agency" else None)


@router.get("/operator/reports/{report}", dependencies=[Depends(Allow("operator"))])
async def overview(report: str, request: Request) -> HttpResponse:
    """Ids, codes and times of one report, for `heli trace`; nothing of its content."""
    found = await store.find(request.app.state.engine, report)
    if found is None:
        raise NotFound
    legs = await store.legs(request.app.state.engine, found.id)
    view = {
        **_about(found),
        "situations": found.situations.split(),
        "groups": found.groups.split(),
        "reporter_kind": found.reporter_kind,
        "minors": found.minors,
        "opened_due": found.opened_due,
        "opened_at": found.opened_at,
        "stalled_at": found.stalled_at,
        "next_due": found.next_due,
        "cases": [_case(found.id, number) for number in found.opened.split()],
        "legs": [_followed(leg) | {"agency": leg.agency, "active": leg.active_at, "ended": leg.ended} for leg in legs],
    }
    return _private(view)


def _case(report: UUID, number: str) -> dict[str, Any]:
    return {"case": case_id(report, int(number)), "number": int(number)}

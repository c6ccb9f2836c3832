"""How does an operator keep one entry of the directory, and who may read it?"""

import re
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Depends, Header, Path, Request
from fastapi import Response as HttpResponse
from pydantic import BaseModel, BeforeValidator, ConfigDict, Field

from services.referral import store
from services.referral.domain.agency import CODE, DEPARTMENTS, agency_id
from services.referral.domain.routing import Knowledge
from services.referral.handlers import PutAgency
from shared.contracts.directory import JOINT_CONFERENCE, AgencyChanged
from shared.errors import NotFound
from shared.http import enter, message_of, reply
from shared.identity import Allow, Caller
from shared.messages import Message, Response

Operator = Annotated[Caller, Depends(Allow("operator"))]
Place = Annotated[str, Field(pattern=r"^(nbs:)?(\d{6}|\d{9}|\d{12})$")]
Code = Annotated[str, Path(pattern=f"^{CODE.pattern}$")]
_ETAG = re.compile(r'"?([0-9]{1,9})"?')
router = APIRouter(tags=["directory"])


def _readable(value: Any) -> Any:
    if isinstance(value, str) and not value.isprintable():
        raise ValueError("unprintable")
    return value


READABLE = BeforeValidator(_readable)
"""Trap: without it U+0000 is found by the database only, and then the whole import is refused instead of one row."""


class AgencyBody(BaseModel):
    """An entry of the directory. `region`: 6, 9 or 12 digits; `phone`: the duty line of the office, no person's."""

    model_config = ConfigDict(extra="forbid", hide_input_in_errors=True)
    name: Annotated[str, Field(min_length=1, max_length=120), READABLE]
    department: Literal[DEPARTMENTS]  # type: ignore[valid-type]
    region: Place
    superior: str | None = None
    phone: Annotated[str, Field(max_length=40), READABLE] = ""
    active: bool = True


async def known_now(request: Request) -> Knowledge:
    """The directory with rules, calendars and divisions, as the rooms have it in this moment."""
    known: Knowledge = await request.app.state.agencies.room.reference.value(request.app.state.pool)
    return known


def overseen(caller: Caller, known: Knowledge) -> AgencyChanged | None:
    """The caller's entry, if it is an active joint-conference office."""
    office = known.directory.get(caller.party)
    return office if office is not None and office.department == JOINT_CONFERENCE and office.active else None


def places_within(office: AgencyChanged | None, region: str | None, known: Knowledge) -> frozenset[str] | None:
    """The region that was asked for, cut to the office's subtree. None: any place. Raises Problem, as `Regions.cut`."""
    return known.regions.cut(region, office.region if office else None)


@router.put("/agencies/{code}")
async def put_agency(
    code: Code, body: AgencyBody, request: Request, caller: Operator, if_match: Annotated[str | None, Header()] = None
) -> HttpResponse:
    """Creates or changes an entry. An edit names the version it has seen (If-Match); 412 when somebody was quicker, 409 for the last root."""
    entry = AgencyChanged(agency=code, version=0, **body.model_dump())
    message = Message(
        body=PutAgency(entry, version_in(if_match)), aggregate=agency_id(code), actor=caller.party, traceparent=message_of(request)
    )
    return reply(await enter(request.app.state.agencies, message))


def version_in(if_match: str | None) -> int:
    """The version that a caller has seen; 0 (there is none yet) for whatever is no ETag of ours."""
    found = _ETAG.fullmatch(if_match or "")
    return int(found[1]) if found else 0


@router.get("/agencies/{code}")
async def get_agency(code: Code, request: Request, _: Annotated[Caller, Depends(Allow("operator", "agency"))]) -> HttpResponse:
    """One entry; its ETag is what an edit must name."""
    async with request.app.state.pool.acquire() as db:
        entry = (await store.entries(db)).get(code)
    if entry is None:
        raise NotFound
    answered = reply(Response.json(200, entry))
    answered.headers["etag"] = f'"{entry.version}"'
    return answered

"""Who stands on which ledger (台账) now? Open legs by duty and step, as the rules in force say; what has ended has left by itself."""

from typing import Annotated

from fastapi import APIRouter, Path, Query, Request
from fastapi import Response as HttpResponse
from pydantic import BaseModel, ConfigDict, Field

from services.referral import store
from services.referral.api.directory import Place, known_now, overseen, places_within
from services.referral.api.lists import Lister
from services.referral.api.shown import leg_shown
from services.referral.store import Wanted
from shared import paging
from shared.errors import NotFound
from shared.http import reply
from shared.messages import Response

router = APIRouter(tags=["ledgers"])


class LedgerAsked(BaseModel):
    """`region`: 6, 9 or 12 digits, that place and everything in it."""

    model_config = ConfigDict(extra="forbid", hide_input_in_errors=True)
    region: Place | None = None
    after: str | None = Field(default=None, description="`next` of the page before.")
    limit: int = Field(default=50, ge=1, le=paging.MOST)


@router.get("/ledgers")
async def ledgers(request: Request, _: Lister) -> HttpResponse:
    """Names and titles of the ledgers of the rules in force."""
    known = await known_now(request)
    return reply(Response.json(200, {"rules": known.current.hash, "ledgers": known.current.ledgers}))


@router.get("/ledgers/{ledger}")
async def entries(
    ledger: Annotated[str, Path(pattern="^[a-z][a-z0-9_-]{0,39}$")],
    request: Request,
    caller: Lister,
    asked: Annotated[LedgerAsked, Query()],
) -> HttpResponse:
    """Its entries, oldest first: an agency's own, a joint-conference office's in its region, an operator's everywhere."""
    known = await known_now(request)
    row = next((row for row in known.current.ledgers if row.ledger == ledger), None)
    if row is None:
        raise NotFound
    office = overseen(caller, known)
    own = caller.party if caller.kind == "agency" and office is None else None
    wanted = Wanted(agency=own, places=places_within(office, asked.region, known), ledger=row)
    found = await store.list_legs(request.app.state.engine, wanted, paging.position(asked.after), asked.limit)
    following = paging.following([leg for leg, _ in found], asked.limit, "issued_at")
    return reply(
        Response.json(200, {"ledger": row.ledger, "title": row.title, "legs": [leg_shown(*pair) for pair in found], "next": following})
    )

"""What may be asked of the children's information base by HTTP?"""

from typing import Annotated, Any

from fastapi import APIRouter, Depends, Query, Request
from fastapi import Response as HttpResponse

from services.guardianship import store
from shared import paging
from shared.errors import Problem
from shared.http import reply
from shared.identity import Allow, Caller
from shared.messages import Response
from shared.regions import Regions

DEPARTMENTS = ("township", "civil_affairs")
"""Who keeps or leads the register: domain.md T03, T06."""

router = APIRouter(tags=["children"])


@router.get("/children")
async def children(
    request: Request,
    caller: Annotated[Caller, Depends(Allow("agency"))],
    after: str | None = None,
    limit: Annotated[int, Query(ge=1, le=paging.MOST)] = 50,
) -> HttpResponse:
    """The files of the caller's own region and all below it, oldest first."""
    if caller.department not in DEPARTMENTS:
        raise Problem(403, "not-for-you", "The children's register is kept by townships and led by civil affairs.")
    found = await store.page(request.app.state.engine, _regions(caller.region), paging.position(after), limit)
    rows = [_shown(child, cases) for child, cases in found]
    following = paging.following([child for child, _ in found], limit, "opened_at")
    return reply(Response.json(200, {"children": rows, "next": following}))


def _regions(code: str) -> list[str]:
    regions = Regions.load()
    own = regions.find(code)
    return [region.code for region in regions.below(own)] if own is not None else []


def _shown(child: Any, cases: list[Any]) -> dict[str, Any]:
    return {
        "child": child.id,
        "region": child.region,
        "age": child.age,
        "sex": child.sex,
        "opened_at": child.opened_at,
        "cases": [
            {"case": c.case_id, "report": c.report, "code": c.code, "grade": c.grade, "opened_at": c.opened_at, "closed_at": c.closed_at}
            for c in cases
        ],
    }

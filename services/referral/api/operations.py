"""What does an operator see of one report?"""

from uuid import UUID

from fastapi import APIRouter, Request
from fastapi import Response as HttpResponse

from services.referral import store
from services.referral.api.directory import Operator
from services.referral.api.shown import whole_case
from shared.http import reply
from shared.messages import Response

router = APIRouter(tags=["operations"])


@router.get("/operator/reports/{report}")
async def report(report: UUID, request: Request, _: Operator) -> HttpResponse:
    """The cases of a report with every leg, its clocks, and what is due next."""
    found = await store.cases_of(request.app.state.engine, report)
    return reply(Response.json(200, {"report": report, "cases": [whole_case(case, rows) for case, rows in found]}))

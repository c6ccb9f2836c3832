"""How does what a caller says of a case come to the room of cases, and how is it answered?"""

from typing import Any
from uuid import UUID

from fastapi import Request
from fastapi import Response as HttpResponse

from shared.http import enter, keyed, reply, said
from shared.identity import Caller
from shared.messages import Message


async def told(request: Request, caller: Caller, case: UUID, body: Any) -> HttpResponse:
    """An Idempotency-Key makes a repeated request the same; without one the case itself makes it harmless."""
    return await entered(request, await keyed(request, said(request, caller, case, body), required=False))


async def entered(request: Request, message: Message) -> HttpResponse:
    return reply(await enter(request.app.state.cases, message))

"""What does every service tell an operator? Whether it is ready, the journal of a report, and what is parked."""

from collections import deque
from typing import Annotated, Any, Literal
from uuid import UUID

import msgspec
from fastapi import APIRouter, Depends, Path, Query, Request
from fastapi import Response as HttpResponse
from pydantic import BaseModel, ConfigDict

from shared import outbox, parking, patience, telemetry
from shared.contracts.envelope import Event
from shared.contracts.operations import MessageDiscarded, StreamReleased
from shared.database import AWAY
from shared.errors import Clash, NotFound, Problem
from shared.http import message_of, reply
from shared.identity import Allow, Caller
from shared.messages import Response
from shared.room import Settle

Operator = Annotated[Caller, Depends(Allow("operator"))]
Seq = Annotated[int, Path(ge=1, le=2**63 - 1)]
"""The number of a parked message, as far as the database counts."""
JOURNAL = "select id, type, subject, actor, traceparent, at, data from journal where report = $1 order by seq limit 2000"
RELEASED = "delete from parked where seq = $1 returning seq"

router = APIRouter(tags=["operations"])


@router.get("/live", dependencies=[Depends(Allow())])
async def live() -> dict[str, str]:
    """The event loop turns."""
    return {"live": "yes"}


@router.get("/ready", dependencies=[Depends(Allow())])
async def ready(request: Request) -> HttpResponse:
    """200 when the database answers and every door of this process has started once; else 503 and which part does not."""
    parts = dict(request.app.state.parts) | patience.trouble()
    try:
        parts["database"] = "up" if await request.app.state.pool.fetchval("select true") else "away"
    except AWAY:
        parts["database"] = "away"
    status = 200 if all(state == "up" for state in parts.values()) else 503
    return reply(Response.json(status, {"parts": parts}))


@router.get("/operator/journal/{report}")
async def journal(report: UUID, request: Request, _: Operator) -> HttpResponse:
    """What this service has recorded of one report, in order; `trace` is null where the act was not sampled."""
    rows = await request.app.state.pool.fetch(JOURNAL, report)
    return reply(Response.json(200, {"entries": [_entry(row) for row in rows]}))


def _entry(row: Any) -> dict[str, Any]:
    traceparent = row["traceparent"]
    return {
        "id": row["id"],
        "type": row["type"],
        "subject": row["subject"],
        "actor": row["actor"],
        "at": row["at"],
        "trace": telemetry.trace_id(traceparent) if telemetry.sampled(traceparent) else None,
        "data": msgspec.Raw(row["data"]),
    }


@router.get("/operator/parked")
async def parked(request: Request, _: Operator, limit: Annotated[int, Query(ge=1, le=500)] = 100) -> HttpResponse:
    """What waits, oldest first: stream, reason class and error slug, never the content."""
    rows = await request.app.state.pool.fetch(parking.LIST, limit)
    return reply(Response.json(200, {"parked": [dict(row) for row in rows]}))


@router.get("/operator/parked/{seq}")
async def show(seq: Seq, request: Request, _: Operator) -> HttpResponse:
    """One parked record, redacted: its place, its event headers, the names of its fields and their kinds; no value of its body."""
    row = await request.app.state.pool.fetchrow(parking.ONE, seq)
    if row is None:
        raise NotFound
    about = {name: row[name] for name in ("seq", "consumer", "stream", "message", "reason", "error", "at")}
    return reply(Response.json(200, about | parking.redacted(parking.record_of(row))))


class Discard(BaseModel):
    """Why a parked message may go: a code, because words could hold a name."""

    model_config = ConfigDict(extra="forbid", hide_input_in_errors=True)
    reason: Literal["duplicate", "obsolete", "test", "not_ours", "handled_by_hand"]


@router.post("/operator/parked/{seq}/discard")
async def discard(seq: Seq, why: Discard, request: Request, caller: Operator) -> HttpResponse:
    """Throws one parked message away, as an audited event."""
    async with request.app.state.pool.acquire() as db, db.transaction():
        row = await db.fetchrow(parking.ONE, seq)
        if row is None:
            raise NotFound
        await parking.hold(db, row["consumer"], [row["stream"]])
        event = MessageDiscarded(
            stream=row["stream"], consumer=row["consumer"], reason=row["reason"], message=row["message"], why=why.reason
        )
        await _gone(db, seq, event, caller, message_of(request))
    request.app.state.service.bells.relay.set()
    return reply(Response.json(200, {"discarded": seq, "stream": row["stream"]}))


@router.post("/operator/parked/{stream:path}/release")
async def release(stream: str, request: Request, caller: Operator) -> HttpResponse:
    """Applies what is parked of one stream, in order, past the inbox, each as an audited event.

    It stops at the first that is refused again: that one and the rest stay parked, in order. 500 at a time: `parked` says how many are left.
    """
    pool = request.app.state.pool
    rows = await pool.fetch(parking.STREAM, stream)
    if not rows:
        raise NotFound
    released, stopped, left = 0, None, deque(rows)
    while left:
        row = left.popleft()
        record = parking.record_of(row)
        event = StreamReleased(stream=stream, consumer=row["consumer"], reason=row["reason"], message=row["message"])
        settle = _forget(row["seq"], event, caller, message_of(request))
        try:
            await _listener(request, record.topic).release(record, row["consumer"], row["message"], settle)
        except Problem as refusal:
            stopped = refusal.slug
            break
        except Clash as clash:
            stopped = clash.name
            break
        released += 1
        if not left and released < parking.MOST:  # what has come meanwhile waits behind nothing now
            left.extend((await pool.fetch(parking.STREAM, stream))[: parking.MOST - released])
    waiting = await pool.fetchval(parking.WAITING, stream)
    return reply(Response.json(200, {"released": released, "parked": waiting, "stopped_by": stopped}))


def _listener(request: Request, topic: str) -> Any:
    """Raises Problem for what nobody here consumes, such as a record that was too large to be sent."""
    found = request.app.state.listeners.get(topic)
    if found is None:
        raise Problem(422, "no-listener", "Nothing here listens to this topic: look at the record, then discard it with a reason.")
    return found


def _forget(seq: int, event: Event, caller: Caller, traceparent: str | None) -> Settle:
    async def settle(db: Any, _: Any) -> None:
        await _gone(db, seq, event, caller, traceparent)

    return settle


async def _gone(db: Any, seq: int, event: Event, caller: Caller, traceparent: str | None) -> None:
    """The message leaves the parking lot and the journal says who did it, in one transaction."""
    if await db.fetchval(RELEASED, seq) is None:  # somebody else was quicker: what this transaction did is undone
        raise Problem(409, "gone-meanwhile", "Somebody else has just released or discarded it.")
    now = await db.fetchval("select heli_now()")
    await outbox.save(db, [outbox.stamp(event, actor=f"{caller.party}/{caller.role}", traceparent=traceparent or "", at=now)])

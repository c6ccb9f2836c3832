"""How fast are acknowledgements on replies topics taken, against a hand-written update that reads nothing and checks nothing?"""

import itertools
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

import msgspec
from aiokafka import TopicPartition

from services.referral.consumer import Replies
from services.referral.domain.case import Case
from shared.contracts.referral import LegAccepted
from shared.identifiers import case_of, uuid7
from tests.bench import filling, wire
from tests.bench.figure import Figure, Sample, compare
from tests.bench.ground import Ground
from tests.bench.opening import consumed, skip, template
from tests.bench.opening_floor import Events, publish

INBOX = "insert into inbox (consumer, source, id) select 'referral.case', $1, unnest($2::text[]) on conflict do nothing returning id"
LEGS = (
    "update leg set accepted_at = $2, seen_at = coalesce(seen_at, $2), delivered_at = coalesce(delivered_at, $2), rung_due = null"
    " where id = any($1::uuid[]) and agency = $3 and ended is null and accepted_at is null"
    " returning id, case_id, department, duty, active_due"
)
CASES = (
    "update case_file c set next_due = least(c.review_due, n.due), changed_at = $2, version = c.version + 1 from (select case_id,"
    " min(least(case when delivered_at is null then delivered_due end, case when seen_at is null then seen_due end,"
    " case when accepted_at is null then accepted_due end, case when active_at is null then active_due end, done_due, rung_due)) as due"
    " from leg where case_id = any($1::uuid[]) and ended is null group by case_id) n where c.id = n.case_id"
    " returning c.id, c.report, c.code, c.grade, c.trace"
)
_json = msgspec.json.Encoder().encode


class Reply(msgspec.Struct):
    leg: UUID
    answer: str


_decode = msgspec.json.Decoder(Reply).decode


async def answer_consumer(ground: Ground, _: frozenset[str]) -> list[Figure]:
    count, firsts = ground.sizes.answered, itertools.count(1, ground.sizes.answered)
    async with (
        ground.database("referral") as mine,
        ground.database("referral") as theirs,
        ground.referral(theirs) as other,
        ground.referral(mine) as service,  # the last one built: its broker is the one to which the module's subscribers belong
        ground.pool(theirs) as pool,
        wire.producing(ground.bootstrap) as producer,
    ):
        shapes = [(url, await template(joined)) for url, joined in ((mine, service), (theirs, other))]
        replies = Replies(*service.rooms)

        async def put(side: int, first: int) -> tuple[dict[TopicPartition, int], str]:
            url, case = shapes[side]
            await filling.fill(url, case.id, first, count)
            topic = topic_of(case)
            begin = await wire.ends(ground.bootstrap, topic)
            await wire.produce(producer, topic, [(None, value, []) for value in answers(range(first, first + count))])
            return begin, topic

        async def ours(_: int) -> Sample:
            await put(0, next(firsts))
            return await consumed(ground, service, count, "replies", replies)

        async def floor(_: int) -> Sample:
            begin, topic = await put(1, next(firsts))
            async with pool.acquire() as db, wire.reading(ground.bootstrap, begin, "bench.floor") as consumer:
                sample = await _floor(ground, db, consumer, topic, count)
            await skip(ground, topic, r"referral.heli\.agency\.[^.]+\.replies\.v1")
            return sample

        return [await compare("answer_consumer", ours, floor, unit="answers/s", aim=">= 0.7")]


def topic_of(case: Case) -> str:
    """The replies topic of the agency that holds the first leg."""
    return f"heli.agency.{case.legs[1].agency}.replies.v1"


def answers(numbers: range | list[int]) -> Iterator[bytes]:
    """The agency of the first leg accepts it, in each of these cases."""
    return (b'{"leg":"%s","answer":"accepted"}' % str(filling.leg(number, 1)).encode() for number in numbers)


async def _floor(ground: Ground, db: Any, consumer: Any, topic: str, count: int) -> Sample:
    seen, meter = 0, None
    while seen < count:
        found = await consumer.getmany(timeout_ms=10, max_records=500)
        records = [record for several in found.values() for record in several]
        if records:
            meter = meter or ground.meter()
            await _apply(db, records, topic)
            await consumer.commit()
            seen += len(records)
    assert meter is not None
    return Sample(count, *meter.stop())


async def _apply(db: Any, records: list[Any], topic: str) -> None:
    agency = topic.split(".")[2]
    told = {f"{record.partition}/{record.offset}": _decode(record.value) for record in records}
    async with db.transaction():
        new = {row["id"] for row in await db.fetch(INBOX, topic, sorted(told))}
        now, legs = datetime.now(UTC), sorted(reply.leg for name, reply in told.items() if name in new)
        moved = await db.fetch(LEGS, legs, now, agency)
        cases = {row["id"]: row for row in await db.fetch(CASES, sorted({case_of(leg) for leg in legs}), now)}
        events: Events = []
        for row in moved:
            key = row["case_id"]
            report, code, grade, trace = (cases[key][name] for name in ("report", "code", "grade", "trace"))
            event = LegAccepted(
                report=report, code=code, case=key, leg=row["id"], agency=agency, department=row["department"], duty=row["duty"],
                grade=grade, at=now, via="topic", active_due=row["active_due"],
            )  # fmt: skip
            events.append((uuid7(), LegAccepted.type_, str(row["id"]), report, agency, trace, _json(event)))
        await publish(db, now, events)

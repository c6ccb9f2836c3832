"""The floor under opening: `getmany`, the same rows by hand-written bulk SQL, one commit. No rules, no objects, no spans, no fence."""

import zlib
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import asyncpg
import msgspec
from aiokafka import TopicPartition

from services.referral.domain.case import Case
from services.referral.domain.leg import Leg
from shared.contracts import intake
from shared.contracts.intake import ReportAccepted
from shared.contracts.referral import CaseOpened, Dues, LegIssued
from shared.identifiers import case_id, leg_id, uuid7
from tests.bench import wire
from tests.bench.figure import Sample
from tests.bench.ground import Ground

INBOX = "insert into inbox (consumer, source, id) select 'referral.case', 'heli.intake.v1', unnest($1::text[]) on conflict do nothing returning id"
CASES = (
    "insert into case_file (id, report, code, number, child, region, grade, rules, calendar, opened_at, review_due, next_due, changed_at,"
    " version, trace, facts) select id, report, code, 1, child, region, $1, $2, $3, $4, $5, $6, $4, 1, trace, $7"
    " from unnest($8::uuid[], $9::uuid[], $10::text[], $11::uuid[], $12::text[], $13::text[]) as t(id, report, code, child, region, trace)"
)
LEGS = (
    "insert into leg (id, case_id, number, agency, department, duty, unassigned, issued_at, terms, delivered_due, seen_due, accepted_due,"
    " active_due, missed, rung, told) select id, case_id, number, agency, department, duty, false, $1, terms, d, s, a, c, '', 0, ''"
    " from unnest($2::uuid[], $3::uuid[], $4::smallint[], $5::text[], $6::text[], $7::text[], $8::bytea[], $9::timestamptz[],"
    " $10::timestamptz[], $11::timestamptz[], $12::timestamptz[])"
    " as t(id, case_id, number, agency, department, duty, terms, d, s, a, c)"
)
OUTBOX = (
    "insert into outbox (shard, topic, key, value, headers, at) select shard, 'heli.referral.v1', key, value, headers, $1"
    " from unnest($2::smallint[], $3::bytea[], $4::bytea[], $5::bytea[]) as t(shard, key, value, headers)"
)
JOURNAL = (
    "insert into journal (id, type, subject, report, actor, traceparent, at, data) select id, type, subject, report, actor, trace, $1, data"
    " from unnest($2::uuid[], $3::text[], $4::text[], $5::uuid[], $6::text[], $7::text[], $8::bytea[])"
    " as t(id, type, subject, report, actor, trace, data)"
)
DUES = ("delivered_due", "seen_due", "accepted_due", "active_due")
_decode = msgspec.json.Decoder(ReportAccepted).decode
_json, _pack = msgspec.json.Encoder().encode, msgspec.msgpack.Encoder().encode


class Shape(msgspec.Struct, frozen=True):
    """What every case of this report looks like: constants of a hand-written program."""

    case: Case
    legs: tuple[Leg, ...]
    dues: tuple[tuple[timedelta, ...], ...]

    @staticmethod
    def of(case: Case) -> "Shape":
        legs = tuple(case.legs.values())
        return Shape(case, legs, tuple(tuple(getattr(leg, name) - case.opened_at for name in DUES) for leg in legs))


Events = list[tuple[UUID, str, str, UUID, str, str, bytes]]
"""The rows of the journal."""


async def run(ground: Ground, pool: asyncpg.Pool, begin: dict[TopicPartition, int], count: int, shape: Shape) -> Sample:
    async with pool.acquire() as db, wire.reading(ground.bootstrap, begin, "bench.floor") as consumer:
        seen, meter = 0, None
        while seen < count:
            found = await consumer.getmany(timeout_ms=10, max_records=500)
            records = [record for several in found.values() for record in several]
            if records:
                meter = meter or ground.meter()
                await apply(db, records, shape)
                await consumer.commit()
                seen += len(records)
        assert meter is not None
        return Sample(count, *meter.stop())


async def apply(db: Any, records: Sequence[Any], shape: Shape) -> None:
    heads = [dict(record.headers) for record in records]
    named = {head["ce_id"].decode() + "/1": place for place, head in enumerate(heads) if head["ce_type"] == b"heli.report.accepted.v1"}
    async with db.transaction():
        new = await db.fetch(INBOX, sorted(named))
        places = sorted(named[row["id"]] for row in new)
        told = [(_decode(records[place].value), heads[place]["traceparent"].decode()) for place in places]
        now, case = datetime.now(UTC), shape.case
        ids = [case_id(report.report, 1) for report, _ in told]
        due = (now + (case.review_due - case.opened_at), now + min(min(dues) for dues in shape.dues))
        rows = [(i, r.report, r.code, r.children[0].child, r.region, trace) for i, (r, trace) in zip(ids, told, strict=True)]
        await db.execute(CASES, case.grade, case.rules, case.calendar, now, *due, case.facts, *zip(*rows, strict=True))
        legs = [(leg, tuple(now + d for d in dues)) for leg, dues in zip(shape.legs, shape.dues, strict=True)]
        parts = [(leg_id(i, n.number), i, n.number, n.agency, n.department, n.duty, n.terms, *dues) for i in ids for n, dues in legs]
        await db.execute(LEGS, now, *zip(*parts, strict=True))
        await publish(db, now, [event for i, (r, trace) in zip(ids, told, strict=True) for event in _events(i, r, trace, case, legs, now)])


def _events(key: UUID, r: ReportAccepted, trace: str, case: Case, legs: list[Any], now: datetime) -> Events:
    child = r.children[0]
    opened = CaseOpened(
        report=r.report, code=r.code, case=key, number=1, child=child.child, age=child.age, sex=child.sex, region=r.region,
        grade=case.grade, groups=(), legs=len(legs), rules=case.rules, calendar=case.calendar,
    )  # fmt: skip
    rows = [(uuid7(), CaseOpened.type_, str(key), r.report, "/intake", trace, _json(opened))]
    for leg, (d, s, a, c) in legs:
        name = leg_id(key, leg.number)
        issued = LegIssued(
            report=r.report, code=r.code, case=key, leg=name, agency=leg.agency, department=leg.department, duty=leg.duty, grade=case.grade,
            region=r.region, unassigned=False, replaces=None, issued_at=now, due=Dues(delivered=d, seen=s, accepted=a, active=c),
        )  # fmt: skip
        rows.append((uuid7(), LegIssued.type_, str(name), r.report, "/intake", trace, _json(issued)))
    return rows


async def publish(db: Any, now: datetime, events: Events) -> None:
    """Outbox and journal; all of these events have the case as their key."""
    stamp, outgoing = now.isoformat(timespec="microseconds").encode(), []
    for name, kind, subject, _, _, trace, value in events:
        key = (subject[:-2] + "00").encode()
        headers = (
            ("ce_specversion", b"1.0"), ("ce_id", str(name).encode()), ("ce_type", kind.encode()), ("ce_source", b"/referral"),
            ("ce_subject", subject.encode()), ("ce_time", stamp), ("ce_dataschema", b"urn:heli:schema:" + kind.encode()),
            ("traceparent", trace.encode()), ("content-type", b"application/json"),
        )  # fmt: skip
        outgoing.append((zlib.crc32(key) % 16, key, value, _pack(headers)))
    await db.execute(OUTBOX, now, *zip(*outgoing, strict=True))
    await db.execute(JOURNAL, now, *zip(*events, strict=True))


TOPIC = intake.TOPIC

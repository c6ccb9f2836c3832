"""What really happened? Read from the four databases and from the topics themselves, never asked of a service."""

import json
from collections.abc import Iterable
from typing import Any, NamedTuple

import asyncpg
from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.admin import AIOKafkaAdminClient

from deploy.demo.expectation import Leg
from deploy.local.state import SERVICES
from deploy.local.supervisor import Stack

Row = dict[str, Any]
LEGS = (
    "select case_file.report, case_file.number as child, leg.id, leg.department, leg.duty, leg.agency, leg.unassigned, case_file.grade,"
    " leg.delivered_at, leg.seen_at, leg.accepted_at, leg.active_at, leg.ended, leg.missed, leg.rung"
    " from leg join case_file on case_file.id = leg.case_id order by leg.id"
)
CASES = "select report, number, child from case_file"
REPORTS = "select id, minors, opened_at, stalled_at from report"
FOLLOWED = "select id, delivered_at, seen_at, accepted_at, ended from report_leg"
DELIVERIES = "select notice_id, event, about, party, channel, state, attempt from delivery order by created_at, id"
FILES = "select (select count(*) from child) as children, (select count(*) from child_case) as cases"
EVENTS = "select data, at from journal where type = $1 order by seq"
PENDING = "select (select count(*) from outbox) + (select count(*) from mailbox) as pending, (select count(*) from parked) as parked"
COUNTS = {
    "intake": "select (select count(*) from report) as reports, (select count(opened_at) from report) as opened,"
    " (select count(*) from report_leg) as followed, (select count(accepted_at) from report_leg) as followed_accepted",
    "referral": "select (select count(*) from case_file) as cases, count(*) as legs, count(delivered_at) as delivered,"
    " count(seen_at) as seen, count(accepted_at) as accepted, count(active_at) as active, count(ended) as ended,"
    " coalesce(sum(rung), 0)::int as rungs from leg",
    "guardianship": "select (select count(*) from child_case) as filed",
    "notification": "select count(*) filter (where due is not null) as untold, coalesce(sum(attempt) filter (where channel = 'webhook'), 0)::int"
    " as webhook_attempts from delivery",
}


class Entry(NamedTuple):
    """One record of an agency's own topic."""

    id: str
    sequence: str
    told: Row


class Found(NamedTuple):
    """Everything that the verdict looks at. `parked`, `pending` by service; `dead` records by dead-letter topic; `feeds` by agency."""

    legs: list[Row]
    cases: list[Row]
    reports: list[Row]
    followed: list[Row]
    deliveries: list[Row]
    files: Row
    escalated: list[Row]
    read: list[Row]
    pending: dict[str, int]
    parked: dict[str, int]
    dead: dict[str, int]
    feeds: dict[str, list[Entry]]


class Books:
    """Connections to the four databases."""

    def __init__(self, stack: Stack) -> None:
        self._stack = stack
        self._open: dict[str, asyncpg.Connection] = {}

    async def open(self) -> None:
        for name in SERVICES:
            self._open[name] = await asyncpg.connect(self._stack.database_url(name), server_settings={"application_name": "demo"})

    async def close(self) -> None:
        for connection in self._open.values():
            await connection.close()

    async def counts(self) -> dict[str, int]:
        """How far everything is; cheap enough to be asked every second."""
        counts: dict[str, int] = {"pending": 0, "parked": 0}
        for name, query in COUNTS.items():
            counts |= dict(await self._open[name].fetchrow(query) or {})
            row = dict(await self._open[name].fetchrow(PENDING) or {})
            counts |= {kind: counts[kind] + row[kind] for kind in ("pending", "parked")}
        return counts

    async def found(self, topics: Iterable[str]) -> Found:
        """`topics`: codes of the agencies that have a feed."""
        waiting = {name: (await self._rows(name, PENDING))[0] for name in SERVICES}
        return Found(
            legs=await self._rows("referral", LEGS),
            cases=await self._rows("referral", CASES),
            reports=await self._rows("intake", REPORTS),
            followed=await self._rows("intake", FOLLOWED),
            deliveries=await self._rows("notification", DELIVERIES),
            files=(await self._rows("guardianship", FILES))[0],
            escalated=await self._events("referral", "heli.leg.escalated.v1"),
            read=await self._events("intake", "heli.report.read.v1"),
            pending={name: row["pending"] for name, row in waiting.items()},
            parked={name: row["parked"] for name, row in waiting.items()},
            dead=await _dead(self._stack.bootstrap),
            feeds=await _feeds(self._stack.bootstrap, topics),
        )

    async def _rows(self, name: str, query: str, *values: Any) -> list[Row]:
        return [dict(row) for row in await self._open[name].fetch(query, *values)]

    async def _events(self, name: str, kind: str) -> list[Row]:
        return [json.loads(row["data"]) | {"recorded": row["at"]} for row in await self._rows(name, EVENTS, kind)]


def leg_of(row: Row, keys: dict[str, str]) -> Leg:
    """A row of `Found.legs` as it was expected; `keys` are those of the filed reports by id."""
    return Leg(keys.get(str(row["report"]), "?"), *(row[name] for name in Leg._fields[1:]))


async def _feeds(bootstrap: str, agencies: Iterable[str]) -> dict[str, list[Entry]]:
    """The agencies' own topics from the beginning to where they end now."""
    topics = {f"heli.agency.{code}.v1": code for code in agencies}
    feeds: dict[str, list[Entry]] = {code: [] for code in topics.values()}
    consumer = AIOKafkaConsumer(bootstrap_servers=bootstrap, enable_auto_commit=False)
    await consumer.start()
    try:
        places = [TopicPartition(topic, 0) for topic in topics]
        consumer.assign(places)
        await consumer.seek_to_beginning(*places)
        ends = await consumer.end_offsets(places)
        left = {place for place in places if ends[place]}
        while left:
            for place, records in (await consumer.getmany(timeout_ms=500)).items():
                feeds[topics[place.topic]] += [_entry(record) for record in records]
                if await consumer.position(place) >= ends[place]:
                    left.discard(place)
    finally:
        await consumer.stop()
    return feeds


def _entry(record: Any) -> Entry:
    headers = {name: (value or b"").decode() for name, value in record.headers}
    return Entry(headers.get("ce_id", ""), headers.get("ce_sequence", ""), json.loads(record.value))


async def _dead(bootstrap: str) -> dict[str, int]:
    """Records of our own that could not be read at all, by topic."""
    admin = AIOKafkaAdminClient(bootstrap_servers=bootstrap)
    await admin.start()
    try:
        described = await admin.describe_topics([topic for topic in await admin.list_topics() if topic.endswith(".dlt")])
    finally:
        await admin.close()
    places = [TopicPartition(entry["topic"], part["partition"]) for entry in described for part in entry["partitions"]]
    consumer = AIOKafkaConsumer(bootstrap_servers=bootstrap)
    await consumer.start()
    try:
        ends = await consumer.end_offsets(places)
    finally:
        await consumer.stop()
    dead: dict[str, int] = {}
    for place, end in ends.items():
        dead[place.topic] = dead.get(place.topic, 0) + end
    return {topic: count for topic, count in dead.items() if count}

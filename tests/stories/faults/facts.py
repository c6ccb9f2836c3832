"""What lies in all tables and all topics? Read by plain SQL and a plain consumer: nothing here is shared with the services."""

import asyncio
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any, NamedTuple

import asyncpg
from aiokafka import AIOKafkaConsumer, TopicPartition

Row = dict[str, Any]
SERVICES = ("intake", "referral", "guardianship", "notification")
READ_SECONDS = 60.0
TABLES = {
    "intake": {
        "reports": "select id::text, party, minors, opened, opened_at, stalled_at from report",
        "followed": "select id::text, report_id::text as report, delivered_at, seen_at, accepted_at, ended from report_leg",
    },
    "referral": {
        "cases": "select id::text, report::text, number, closed_at, next_due from case_file",
        "legs": "select id::text, case_id::text as case, agency, duty, delivered_at, seen_at, accepted_at, ended, rung, told from leg",
    },
    "guardianship": {"filed": "select case_id::text as case, child_id::text as child, report::text from child_case"},
    "notification": {
        "deliveries": "select id::text, notice_id::text as notice, event, about, party, channel, state, last_error from delivery",
        "numbers": "select code, last from feed",
    },
}
DUE = {"intake": ("report",), "referral": ("case_file", "agency"), "guardianship": ("child",), "notification": ("notice",)}
LATE = "select '{0}' as what, id::text, next_due from {0} where next_due < clock_timestamp() - interval '60 seconds'"
"""After so long every sweep has turned often, whatever a round has broken."""
KNOWN = dict.fromkeys(SERVICES, "select id::text from journal") | {
    "notification": "select id::text from journal union all select id::text from delivery"
}
PLUMBING = {
    "journal": "select seq, id::text, type, subject, at, data from journal order by seq",
    "outbox": "select seq, topic, headers, at < clock_timestamp() - interval '5 seconds' as late from outbox",  # younger: on its way
    "mailbox": "select seq from mailbox",
    "parked": "select seq, consumer, stream, message, reason, error from parked",
    "deadlocks": "select deadlocks as count from pg_stat_database where datname = current_database()",
}


class Record(NamedTuple):
    """One record of a topic, headers in order."""

    topic: str
    partition: int
    offset: int
    key: bytes | None
    value: bytes | None
    headers: tuple[tuple[str, bytes | None], ...]

    def header(self, name: str) -> str:
        return next(((value or b"").decode("utf-8", "replace") for found, value in self.headers if found == name), "")

    @property
    def id(self) -> str:
        return self.header("ce_id")


class Entry(NamedTuple):
    """One line of a journal."""

    service: str
    seq: int
    id: str
    type: str
    subject: str
    at: datetime
    data: dict[str, Any]


FEED = "heli.agency."


@dataclass
class Found:
    """Everything. `journal` is what stood there before the topics were read, `known` the ids of events and deliveries that stood there afterwards.

    `deadlocks` is what the server said of them since the round began: a crash sets its own count back.
    """

    tables: dict[str, list[Row]]
    plumbing: dict[str, dict[str, list[Row]]]
    journal: list[Entry]
    known: set[str]
    topics: dict[str, list[Record]]
    deadlocks: list[str]

    @property
    def feeds(self) -> dict[str, list[Record]]:
        """The agencies' own topics, by the agency's code."""
        return {topic.split(".")[2]: records for topic, records in self.topics.items() if topic.startswith(FEED)}

    @property
    def published(self) -> dict[str, list[Record]]:
        """All other topics."""
        return {topic: records for topic, records in self.topics.items() if not topic.startswith(FEED)}

    def of(self, kind: str) -> list[Entry]:
        return [entry for entry in self.journal if entry.type == f"heli.{kind}.v1"]


async def read(urls: Mapping[str, str], bootstrap: str, deadlocks: list[str]) -> Found:
    """Reads the tables of each service as of one moment, then the topics, then which ids the journals know by now."""
    tables: dict[str, list[Row]] = {}
    plumbing: dict[str, dict[str, list[Row]]] = {}
    for service in SERVICES:
        db = await asyncpg.connect(urls[service], timeout=10)
        try:
            async with db.transaction(isolation="repeatable_read", readonly=True):
                tables |= {name: [dict(row) for row in await db.fetch(query)] for name, query in TABLES[service].items()}
                queries = PLUMBING | {"overdue": " union all ".join(map(LATE.format, DUE[service]))}
                plumbing[service] = {name: [dict(row) for row in await db.fetch(query)] for name, query in queries.items()}
        finally:
            await db.close()
    journal = [_entry(service, row) for service in SERVICES for row in plumbing[service]["journal"]]
    topics = await read_topics(bootstrap, lambda name: name.startswith("heli.") and not name.endswith(".replies.v1"))
    return Found(tables, plumbing, journal, await _known(urls), topics, deadlocks)


def deadlocks_in(log: Path | None, since: int) -> list[str]:
    """The lines of a server's log, from a byte on, that tell of a deadlock. A server in a container has no log here."""
    if log is None:
        return []
    with log.open("rb") as file:
        file.seek(since)
        return [line.strip() for line in file.read().decode("utf-8", "replace").splitlines() if "deadlock detected" in line]


def _entry(service: str, row: Row) -> Entry:
    return Entry(service, row["seq"], row["id"], row["type"], row["subject"], row["at"], json.loads(row["data"]))


async def _known(urls: Mapping[str, str]) -> set[str]:
    known: set[str] = set()
    for service in SERVICES:
        db = await asyncpg.connect(urls[service], timeout=10)
        try:
            known |= {row["id"] for row in await db.fetch(KNOWN[service])}
        finally:
            await db.close()
    return known


async def read_topics(bootstrap: str, wanted: Callable[[str], bool]) -> dict[str, list[Record]]:
    """All records of the topics as they lie there now, partition by partition. A compacted topic has holes: positions count."""
    consumer = AIOKafkaConsumer(bootstrap_servers=bootstrap, enable_auto_commit=False, auto_offset_reset="earliest")
    await consumer.start()
    try:
        partitions = await partitions_of(consumer, wanted)
        found: dict[str, list[Record]] = {partition.topic: [] for partition in partitions}
        consumer.assign(partitions)
        await consumer.seek_to_beginning()
        ends = await consumer.end_offsets(partitions)
        async with asyncio.timeout(READ_SECONDS):
            while any([await consumer.position(p) < ends[p] for p in partitions]):
                for records in (await consumer.getmany(timeout_ms=100)).values():
                    for r in records:
                        found[r.topic].append(Record(r.topic, r.partition, r.offset, r.key, r.value, tuple(r.headers)))
        return {name: sorted(records, key=lambda r: (r.partition, r.offset)) for name, records in found.items()}
    finally:
        await consumer.stop()


async def partitions_of(consumer: AIOKafkaConsumer, wanted: Callable[[str], bool]) -> list[TopicPartition]:
    metadata: Any = await consumer._client.fetch_all_metadata()  # noqa: SLF001 - the public call knows subscribed topics only
    names = sorted(name for name in metadata.topics() if wanted(name))
    return [TopicPartition(name, number) for name in names for number in metadata.partitions_for_topic(name)]

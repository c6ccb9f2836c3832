"""How are a million open cases stored in a minute? Copies of one case that the service itself opened, made by the server."""

import hashlib
from uuid import UUID

import asyncpg

from shared.identifiers import leg_id

LEGS = 3
AHEAD = "interval '10 days'"
CASE_ID = "(lpad(to_hex(g), 12, '0') || '80008000' || substr(md5(g::text), 1, 10) || '00')"
REPORT_ID = "(lpad(to_hex(g), 12, '0') || '70008000' || substr(md5(g::text), 1, 12))"
INDEXES = (
    "select indexname, indexdef from pg_indexes where tablename in ('case_file', 'leg', 'journal', 'inbox')"
    " and indexname not in (select conname from pg_constraint)"
)
NUMBERS = "generate_series($2::bigint, $2::bigint + $3 - 1) as g"
CASES = (
    f"insert into case_file select {CASE_ID}::uuid, {REPORT_ID}::uuid, code, number, child, region, grade, rules, calendar, opened_at, null,"
    f" review_due + {AHEAD} + g * interval '1 ms', next_due + {AHEAD} + g * interval '1 ms', changed_at, version, trace"
    f" from case_file, {NUMBERS} where id = $1 order by g"
)
LATER = ", ".join(f"{name}_due + {AHEAD} + g * interval '1 ms'" for name in ("delivered", "seen", "accepted", "active"))
PARTS = (
    "insert into leg (id, case_id, number, agency, department, duty, unassigned, issued_at, terms, delivered_due, seen_due, accepted_due,"
    f" active_due, missed, rung, told) select (substr({CASE_ID}, 1, 30) || lpad(to_hex(number::int), 2, '0'))::uuid, {CASE_ID}::uuid,"
    f" number, agency, department, duty, unassigned, issued_at, terms, {LATER}, missed, rung, told"
    f" from leg, {NUMBERS} where case_id = $1 order by g, number"
)
JOURNAL = (
    f"insert into journal (id, type, subject, report, actor, traceparent, at, data) select gen_random_uuid(), type, {CASE_ID}::uuid::text,"
    f" {REPORT_ID}::uuid, actor, traceparent, at, data from journal, {NUMBERS} where type = 'heli.case.opened.v1' and subject = $1::uuid::text"
    " order by g"
)
INBOX = (
    f"insert into inbox (consumer, source, id) select consumer, source, {REPORT_ID}::uuid::text || '/1'"
    f" from (select consumer, source from inbox, (select $1::uuid) as t limit 1) as i, {NUMBERS} order by g"
)


def case(number: int) -> UUID:
    """The id of the case with this number."""
    return UUID(f"{number:012x}80008000{hashlib.md5(str(number).encode()).hexdigest()[:10]}00")  # noqa: S324 - the server's own function


def leg(number: int, part: int) -> UUID:
    return leg_id(case(number), part)


async def fill(url: str, template: UUID, first: int, count: int) -> None:
    """Stores the open cases `first`, `first + 1` ..., each with its legs, one journal and one inbox row. Nothing of them is due for days."""
    db = await asyncpg.connect(url, command_timeout=600)
    try:
        many = count > 10_000
        indexes = await db.fetch(INDEXES) if many else []
        await db.execute("set session_replication_role = replica; set maintenance_work_mem = '512MB'; set synchronous_commit = off")
        for index in indexes:
            await db.execute(f"drop index {index['indexname']}")
        for statement in (CASES, PARTS, JOURNAL, INBOX):
            await db.execute(statement, template, first, count)
        for index in indexes:
            await db.execute(index["indexdef"])
        await db.execute("vacuum analyze")
        if many:
            await db.execute("checkpoint")
    finally:
        await db.close()

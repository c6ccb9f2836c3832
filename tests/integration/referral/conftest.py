"""Referral's rooms on a database of its own, with a directory and the shipped rules; no Kafka, no HTTP."""

from collections.abc import AsyncIterator, Awaitable, Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

import asyncpg
import msgspec
import pytest

from services.referral import app, handlers, store
from services.referral.domain.agency import agency_id
from services.referral.domain.case import Case
from services.referral.domain.rules import RuleSet
from shared.bells import Bells
from shared.calendar import NATIONAL, Calendar
from shared.contracts.intake import ChildNamed, ReportAccepted
from shared.database import connect
from shared.identifiers import case_id, uuid7
from shared.mailbox import Mailbox
from shared.messages import Message, Response
from shared.reference import Reference
from shared.room import Room
from tests.integration.referral.desk import Desk
from tests.support import county

NOW = datetime(2026, 11, 24, 2, tzinfo=UTC)


class Referral:
    """What a story may do with referral alone."""

    def __init__(self, pool: asyncpg.Pool, url: str = "") -> None:
        self.pool, self.url = pool, url
        reference, bells = Reference(store.knowledge), Bells()
        self.cases, self.agencies = Room(app.CASE, pool, reference, bells), Room(app.AGENCY, pool, reference, bells)
        self.mailbox = Mailbox(self.cases, handlers.note_of)

    async def prepare(self) -> None:
        await self.pool.execute("create table shift (by interval not null)")
        await self.pool.execute("insert into shift values (interval '0')")
        await self.pool.execute(
            "create or replace function heli_now() returns timestamptz language sql volatile as"
            " 'select clock_timestamp() + (select by from shift)'"
        )
        rules, calendar = max(app.RULES.glob("*.yaml")).read_bytes(), NATIONAL.read_bytes()
        await store.remember(self.pool, "rules", RuleSet.parse(rules).hash, rules)
        await store.remember(self.pool, "calendar", Calendar.parse(calendar).hash, calendar)
        for entry in county.AGENCIES:
            await self.agencies.handle([Message(body=handlers.PutAgency(entry), aggregate=agency_id(entry.agency))])

    async def forward(self, by: timedelta) -> None:
        await self.pool.execute("update shift set by = by + $1", by)

    async def report(
        self,
        *situations: str,
        age: int = 9,
        kind: str = "school",
        groups: tuple[str, ...] = (),
        region: str = county.VILLAGE,
        about: UUID | None = None,
    ) -> Case:
        """`about`: the child, if it is one that other reports name too."""
        report = uuid7()
        child = ChildNamed(number=1, child=about or uuid4(), age=age, sex="female")
        event = ReportAccepted(
            report=report,
            code=report.hex[-9:],
            situations=situations,
            groups=groups,
            region=region,
            reporter_kind=kind,
            seen_at=NOW,
            received_at=NOW,
            children=(child,),
        )
        key = case_id(report, 1)
        await self.cases.handle([Message(body=handlers.OpenCase(key, event, child), aggregate=key, id=str(key))])
        return await self.case(key)

    async def case(self, key: UUID) -> Case:
        async with self.pool.acquire() as db, db.transaction():
            return (await store.load(db, [key]))[key]

    async def answer(self, leg: Any, answer: str, code: str | None = None, **more: Any) -> Response:
        taken = handlers.TakeAnswer(
            leg=leg.id, agency=more.pop("agency", leg.agency), answer=answer, via=more.pop("via", "http"), code=code, **more
        )
        return (await self.cases.handle([Message(body=taken, aggregate=leg.case_id, actor=leg.agency)]))[0]

    async def sweep(self) -> int:
        total = 0
        while ticked := (await self.cases.sweep()).ticked:
            total += ticked
        return total

    async def notes(self) -> None:
        """What the cases of a story tell each other arrives, until nobody has anything to tell."""
        while await self.mailbox.take():
            pass

    async def events(self, short: str) -> list[dict[str, Any]]:
        rows = await self.pool.fetch("select data from journal where type = $1 order by seq", f"heli.{short}.v1")
        return [msgspec.json.decode(row["data"]) for row in rows]


@pytest.fixture
async def referral(database: Callable[[str], Awaitable[str]]) -> AsyncIterator[Referral]:
    url = await database("referral")
    pool = await connect(url, 6, "test")
    referral = Referral(pool, url)
    await referral.prepare()
    yield referral
    await pool.close()


@pytest.fixture
async def desk(database: Callable[[str], Awaitable[str]], tmp_path: Path) -> AsyncIterator[Desk]:
    """The same with HTTP before it."""
    url = await database("referral")
    pool = await connect(url, 3, "test")
    await Referral(pool).prepare()
    desk = await Desk.over(url, tmp_path)
    yield desk
    await desk.close()
    await pool.close()

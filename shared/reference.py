"""What does a decision know beside its aggregate: rules, regions, directory, endpoints? Read again when its version has moved."""

from collections.abc import Awaitable, Callable
from datetime import datetime
from typing import Any

from sqlalchemy import BigInteger
from sqlmodel import Field, SQLModel

from shared.database import PLUMBING


class ReferenceRow(SQLModel, table=True):
    """One row: the version of everything that is reference. Whoever changes reference data raises it in the same transaction."""

    __tablename__ = "reference"
    metadata = PLUMBING
    name: str = Field(primary_key=True)
    version: int = Field(sa_type=BigInteger)


MOMENT = "select heli_now(), clock_timestamp(), coalesce((select version from reference where name = 'all'), 0)"
RAISE = "insert into reference as r (name, version) values ('all', 1) on conflict (name) do update set version = r.version + 1"


async def nothing(_: Any) -> None:
    """For a service whose decisions need no reference."""
    return


class Reference:
    """Immutable reference data, shared by all rooms of a process."""

    def __init__(self, load: Callable[[Any], Awaitable[Any]] = nothing) -> None:
        self.load = load
        self._version = -1
        self._value: Any = None

    async def moment(self, db: Any) -> tuple[datetime, datetime, Any]:
        """The database's `heli_now()`, its wall clock, and the reference of that moment. Asked after the locks are held."""
        now, wall, version = await db.fetchrow(MOMENT)
        if version != self._version:
            self._value, self._version = await self.load(db), version
        return now, wall, self._value

    async def value(self, pool: Any) -> Any:
        """The reference for a page or a read."""
        async with pool.acquire() as db:
            return (await self.moment(db))[2]


async def raise_version(db: Any) -> None:
    """Says that reference data has changed."""
    await db.execute(RAISE)

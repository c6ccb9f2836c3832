"""How does a service reach PostgreSQL: pool, error classes, bulk writes, migrations?"""

import asyncio
from collections.abc import Callable, Mapping, Sequence
from operator import attrgetter
from pathlib import Path
from typing import Any

import asyncpg
import msgspec
from alembic import command, context
from alembic.config import Config
from sqlalchemy import Connection, MetaData, pool, text
from sqlalchemy.dialects import postgresql
from sqlalchemy.ext.asyncio import create_async_engine
from sqlmodel import SQLModel

PLUMBING = MetaData()
"""The tables that every service has: inbox, outbox, lease, mailbox, journal, parked, reference."""


class Conflict(Exception):  # noqa: N818 - not an error to report: read again, decide again
    """Somebody else saved the same row since we read it."""


AGAIN = (
    Conflict,
    asyncpg.DeadlockDetectedError,
    asyncpg.SerializationError,
    asyncpg.InvalidCachedStatementError,
)
"""Read again, decide again: nothing is wrong."""

LOCKED = (asyncpg.LockNotAvailableError, asyncpg.QueryCanceledError)
"""A row stayed locked or a statement took too long: halve the batch, so that one row delays only itself."""

REFUSED = (asyncpg.IntegrityConstraintViolationError, asyncpg.DataError, asyncpg.UntranslatableCharacterError)
"""The database found what the rules missed: halve until the culprit stands alone."""

AWAY = (
    OSError,
    TimeoutError,
    asyncpg.PostgresConnectionError,
    asyncpg.InterfaceError,
    asyncpg.InternalClientError,  # asyncpg's word for an answer that broke off when the server died
    asyncpg.CannotConnectNowError,
    asyncpg.AdminShutdownError,
    asyncpg.CrashShutdownError,
    asyncpg.TooManyConnectionsError,
    asyncpg.ReadOnlySQLTransactionError,
    asyncpg.DiskFullError,
    asyncpg.IdleInTransactionSessionTimeoutError,  # this process stood still for so long that its session was ended
)
"""The database cannot be reached or will not write now: wait and try the same again."""

CLOCK = "create or replace function heli_now() returns timestamptz language sql volatile parallel safe as 'select clock_timestamp()'"


async def _leave(_: Any) -> None:
    """What asyncpg would undo when a connection goes back to its pool we never do; an open transaction it ends all the same."""


async def connect(url: str, size: int, name: str) -> asyncpg.Pool:
    """A pool that connects lazily: a service starts, and says that it is not ready, while PostgreSQL is away."""
    return await asyncpg.create_pool(
        url,
        min_size=0,
        max_size=size,
        command_timeout=60,
        timeout=5,
        reset=_leave,
        statement_cache_size=400,  # an update is one statement for each set of columns that change together
        server_settings={
            "application_name": name,
            "timezone": "UTC",
            "random_page_cost": "1.1",  # what is read was written a moment ago and lies in memory
            "statement_timeout": "30000",
            "lock_timeout": "2000",
            "idle_in_transaction_session_timeout": "30000",
        },
    )


def by_key(table: str, key: Mapping[str, str]) -> str:
    """The place (`found.ctid`) of each row to be changed, for the `from` of an update; columns of a unique key and what they must be.

    Trap: a plain join is PostgreSQL's to turn round, and a plan from when the table was empty reads all of it for every
    batch. Behind `offset 0` it looks each row up. The row must be locked, or nobody else's: its place is read before it is changed.
    (The same trap elsewhere: upkeep asks for the oldest row first, and the auditor forbids its connections to read whole tables.)
    """
    same = " and ".join(f"known.{name} = {value}" for name, value in key.items())
    return f"lateral (select ctid from {table} known where {same} offset 0) found"


MANY = 32
"""From so many rows on, as of one alone, a column that is the same in all is sent once: an array costs per element, here and in the server."""


class Upsert:
    """Writes many rows of one table, new ones in one statement, changed ones in another. Built once per table.

    A new row names every column, so adding one breaks no running release; of those that were read only the columns that changed in any.
    `fenced`: the row is written only over the version that was read; otherwise `Conflict`, because
    `for update` cannot lock a row that does not exist yet.
    """

    def __init__(self, model: type[SQLModel], *, fenced: bool = False) -> None:
        table, dialect = model.__table__, postgresql.dialect()  # type: ignore[attr-defined,no-untyped-call]
        keys = [column.name for column in table.primary_key]
        self.types = {column.name: column.type.compile(dialect) for column in table.columns if column.identity is None}
        names, keyed = list(self.types), set(keys) <= set(self.types)
        self.table, self.known_by = table.name, (*keys, *(["version"] if fenced else []))
        self.order: Callable[[Sequence[Any]], Sequence[Any]] = (lambda rows: sorted(rows, key=attrgetter(*keys))) if keyed else list
        self.fenced, self.target, self.tail = fenced, f"{table.name} as old ({', '.join(names)})", ""
        if keyed:
            changed = ", ".join(f"{n} = excluded.{n}" for n in names if n not in keys)
            self.tail += f" on conflict ({', '.join(keys)}) do update set {changed}"
        if fenced:
            self.tail += " where old.version = excluded.version - 1"
        self.sql = self._text([True] * len(names))

    def _text(self, spread: Sequence[bool]) -> str:
        """The statement for columns that come as arrays (`spread`), the others as one value for all rows."""
        new, source = self._given(list(self.types), spread)
        if self.fenced:
            new["version"] += " + 1"
        return f"insert into {self.target} select {', '.join(new.values())} from {source}{self.tail}"

    def _given(self, names: Sequence[str], spread: Sequence[bool]) -> tuple[dict[str, str], str]:
        """How a statement calls each value, in their order, and where the arrays among them come from."""
        given = [
            (name, f"${place}::{self.types[name]}", several) for place, (name, several) in enumerate(zip(names, spread, strict=True), 1)
        ]
        arrays = ", ".join(f"{value}[]" for _, value, several in given if several)
        named = ", ".join(name for name, _, several in given if several)
        return {name: f"new.{name}" if several else value for name, value, several in given}, f"unnest({arrays}) new({named})"

    def columns(self, items: Sequence[msgspec.Struct]) -> dict[str, tuple[Any, ...]]:
        """What is written of these items, all of one type: the values of each column. Stored fields are taken whole, not looked up by name."""
        stored = dict(zip(items[0].__struct_fields__, zip(*map(msgspec.structs.astuple, items), strict=True), strict=True))
        return {name: stored[name] if name in stored else tuple(map(attrgetter(name), items)) for name in self.types}

    async def __call__(self, db: Any, items: Sequence[Any], before: Sequence[Any] = ()) -> None:
        """`before`: each as it was read, None for a new one. Without it all are new, or may be."""
        if not before:
            await self._insert(db, items)
            return
        pairs = list(zip(before, items, strict=True))
        await self._update(db, [(old, new) for old, new in pairs if old is not None])  # first: what ends makes room for what begins
        await self._insert(db, [new for old, new in pairs if old is None])

    async def _insert(self, db: Any, items: Sequence[Any]) -> None:
        if items:  # sorted: everybody takes row locks in one order
            columns = list(self.columns(self.order(items)).values())
            spread = _spread(columns)
            await _written(db, len(items), self.sql if all(spread) else self._text(spread), _values(columns, spread))

    async def _update(self, db: Any, pairs: Sequence[tuple[Any, Any]]) -> None:
        if pairs:  # in any order: whoever read them holds them, or the row above them
            olds, news = (self.columns(side) for side in zip(*pairs, strict=True))
            changed = [name for name in self.types if name not in self.known_by and olds[name] != news[name]]
            if changed or self.fenced:
                columns = [news[name] for name in (*self.known_by, *changed)]
                spread = _spread(columns)
                await _written(db, len(pairs), self._changing(changed, spread), _values(columns, spread))

    def _changing(self, changed: Sequence[str], spread: Sequence[bool]) -> str:
        """The statement that writes these columns; the values come in the order of `known_by`, then of these, `spread` as in `_text`."""
        new, source = self._given((*self.known_by, *changed), spread)
        sets = [f"{name} = {new[name]}" for name in changed] + (["version = old.version + 1"] if self.fenced else [])
        found = by_key(self.table, {name: new[name] for name in self.known_by})
        return f"update {self.table} as old set {', '.join(sets)} from {source}, {found} where old.ctid = found.ctid"


def parts(name: str, changed: Sequence[Any], before: Sequence[Any]) -> tuple[list[Any], list[Any]]:
    """Of aggregates and of what was read of them: the parts (a dict of that name) that are new or other ones, and each as it was read."""
    found = []
    for new, old in zip(changed, before, strict=True):
        known = getattr(old, name) if old is not None else {}
        found += [(part, known.get(key)) for key, part in getattr(new, name).items() if part is not known.get(key)]
    return [part for part, _ in found], [old for _, old in found]


async def _written(db: Any, count: int, sql: str, columns: Sequence[Any]) -> None:
    status = await db.execute(sql, *columns)
    if int(status.rsplit(" ", 1)[1]) != count:
        raise Conflict


def _spread(columns: Sequence[tuple[Any, ...]]) -> list[bool]:
    """Which columns go as arrays: all of a few rows, of one row or of many only those whose values differ. The first, a key, always does."""
    if 1 < len(columns[0]) < MANY:
        return [True] * len(columns)
    return [place == 0 or not _alike(column) for place, column in enumerate(columns)]


def _values(columns: Sequence[tuple[Any, ...]], spread: Sequence[bool]) -> list[Any]:
    return [column if several else column[0] for column, several in zip(columns, spread, strict=True)]


def _alike(column: tuple[Any, ...]) -> bool:
    """The first looks spare comparing a whole column of ids, whose `==` is slow."""
    first = column[0]
    return len(column) == 1 or (bool(first == column[1] == column[-1]) and column.count(first) == len(column))


def columns_of(model: type[SQLModel]) -> str:
    """The columns of a table by name, in order: `select *` breaks a cached statement when a column is added."""
    return ", ".join(column.name for column in model.__table__.columns)  # type: ignore[attr-defined]


def with_plumbing(metadata: MetaData) -> MetaData:
    """Adds the tables that every service has to a service's own."""
    from shared import inbox, outbox, parking, reference  # noqa: F401 - they declare them, and whoever comes first must not miss any

    for table in PLUMBING.tables.values():
        if table.name not in metadata.tables:
            table.to_metadata(metadata)
    return metadata


def migrate(service: str, url: str, revision: str = "head") -> None:
    """Brings the database of a service to a revision, forward or back (`base`)."""
    config = Config()
    config.set_main_option("script_location", str(Path(__file__).parent.parent / "services" / service / "migrations"))
    config.set_main_option("sqlalchemy.url", engine_url(url).replace("%", "%%"))
    forward = revision == "head" or not revision.startswith(("-", "base"))
    (command.upgrade if forward else command.downgrade)(config, revision)


def engine_url(url: str) -> str:
    return url.replace("postgresql://", "postgresql+asyncpg://", 1)


def run_migrations(metadata: MetaData) -> None:
    """What every `migrations/env.py` does."""
    url = context.config.get_main_option("sqlalchemy.url") or ""

    def apply(connection: Connection) -> None:
        context.configure(connection=connection, target_metadata=metadata, compare_type=True)
        with context.begin_transaction():
            connection.execute(text("set lock_timeout = '2s'"))
            context.run_migrations()

    async def run() -> None:
        engine = create_async_engine(url, poolclass=pool.NullPool)
        async with engine.connect() as connection:
            await connection.run_sync(apply)
            await connection.commit()
        await engine.dispose()

    asyncio.run(run())

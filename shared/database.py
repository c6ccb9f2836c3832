"""How does a service reach PostgreSQL: pool, error classes, bulk writes, migrations?"""

import asyncio
from collections.abc import Callable, Sequence
from operator import attrgetter
from pathlib import Path
from typing import Any

import asyncpg
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
)
"""The database cannot be reached or will not write now: wait and try the same again."""

CLOCK = "create or replace function heli_now() returns timestamptz language sql volatile parallel safe as 'select clock_timestamp()'"


async def connect(url: str, size: int, name: str) -> asyncpg.Pool:
    """A pool that connects lazily: a service starts, and says that it is not ready, while PostgreSQL is away."""
    return await asyncpg.create_pool(
        url,
        min_size=0,
        max_size=size,
        command_timeout=60,
        timeout=5,
        server_settings={
            "application_name": name,
            "timezone": "UTC",
            "statement_timeout": "30000",
            "lock_timeout": "2000",
            "idle_in_transaction_session_timeout": "30000",
        },
    )


class Upsert:
    """Writes many rows of one table in one statement. Built once per table; names every column, so adding one breaks no running release.

    `fenced`: the row is written only over the version that was read; otherwise `Conflict`, because
    `for update` cannot lock a row that does not exist yet.
    """

    def __init__(self, model: type[SQLModel], *, fenced: bool = False) -> None:
        table, dialect = model.__table__, postgresql.dialect()  # type: ignore[attr-defined,no-untyped-call]
        keys = [column.name for column in table.primary_key]
        names = [column.name for column in table.columns if column.identity is None]
        arrays = ", ".join(f"${i}::{table.c[n].type.compile(dialect)}[]" for i, n in enumerate(names, 1))
        picked = ", ".join("version + 1" if fenced and n == "version" else n for n in names)
        self.row: Callable[[Any], tuple[Any, ...]] = attrgetter(*names)
        keyed = set(keys) <= set(names)
        self.order: Callable[[Sequence[Any]], Sequence[Any]] = (lambda rows: sorted(rows, key=attrgetter(*keys))) if keyed else list
        self.sql = f"insert into {table.name} as old ({', '.join(names)}) select {picked} from unnest({arrays}) new({', '.join(names)})"
        if keyed:
            changed = ", ".join(f"{n} = excluded.{n}" for n in names if n not in keys)
            self.sql += f" on conflict ({', '.join(keys)}) do update set {changed}"
        if fenced:
            self.sql += " where old.version = excluded.version - 1"

    async def __call__(self, db: Any, items: Sequence[Any]) -> None:
        if items:  # sorted: everybody takes row locks in one order
            columns = zip(*map(self.row, self.order(items)), strict=True)
            status = await db.execute(self.sql, *columns)
            if int(status.rsplit(" ", 1)[1]) != len(items):
                raise Conflict


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

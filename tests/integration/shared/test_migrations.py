"""Do the migrations of every service make exactly what its code describes, unmake it, and make it again?"""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from importlib import import_module
from uuid import uuid4

import asyncpg
import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from sqlalchemy import Connection, MetaData
from sqlalchemy.ext.asyncio import create_async_engine

from shared.database import engine_url, migrate
from tests.guards.sources import ROOT, SERVICES
from tests.support import places

BOOKKEEPING = "alembic_version"
CONSTRAINTS = (
    "select conrelid::regclass::text as place, pg_get_constraintdef(oid) as said from pg_constraint"
    " where connamespace = 'public'::regnamespace and conrelid <> 0 and contype <> 'n'"
)
INDEXES = "select indrelid::regclass::text as place, pg_get_indexdef(indexrelid) as said from pg_index where indrelid in (select oid from pg_class where relnamespace = 'public'::regnamespace)"
COLUMNS = (
    "select table_name as place, format('column %s %s null=%s default=%s identity=%s', column_name, udt_name, is_nullable, column_default,"
    " identity_generation) as said from information_schema.columns where table_schema = 'public'"
)
LEFT = (
    "select relname from pg_class where relnamespace = 'public'::regnamespace and relkind in ('r', 'S', 'v', 'm')"
    " union all select proname from pg_proc where pronamespace = 'public'::regnamespace"
)
Said = set[tuple[str, str]]
Empty = Callable[[], Awaitable[str]]


def metadata_of(service: str) -> MetaData:
    found: MetaData = import_module(f"services.{service}.tables").METADATA
    return found


@pytest.fixture
async def empty(postgres_server: str) -> AsyncIterator[Empty]:
    """Makes a database in which nothing is; it is gone after the test."""
    made: list[str] = []

    async def make() -> str:
        made.append(places.at(postgres_server, f"empty_{uuid4().hex[:8]}"))
        await run(postgres_server, f'create database "{made[-1].rsplit("/", 1)[1]}"')
        return made[-1]

    yield make
    for url in made:
        await places.drop_database(postgres_server, url)


async def run(url: str, *statements: str) -> None:
    db = await asyncpg.connect(url)
    try:
        for statement in statements:
            await db.execute(statement)
    finally:
        await db.close()


async def said_by(url: str) -> Said:
    """Every column, constraint and index by its definition. Names are left out where they are PostgreSQL's or SQLAlchemy's to choose."""
    db = await asyncpg.connect(url)
    try:
        rows = [row for query in (CONSTRAINTS, INDEXES, COLUMNS) for row in await db.fetch(query)]
    finally:
        await db.close()
    return {(row["place"], unnamed(row["said"])) for row in rows if row["place"] != BOOKKEEPING}


def unnamed(said: str) -> str:
    """CREATE INDEX name ON public.table ...: what it is, not what it is called."""
    before, on, after = said.partition(" ON public.")
    return f"{before.rsplit(' ', 1)[0]} ON {after}" if on else said


async def described(url: str, metadata: MetaData) -> None:
    """Makes the tables as the code describes them, without any migration."""
    engine = create_async_engine(engine_url(url))
    async with engine.begin() as db:
        await db.run_sync(metadata.create_all)
    await engine.dispose()


async def differences(url: str, metadata: MetaData) -> list[str]:
    """What Alembic would write into the next revision."""

    def compare(db: Connection) -> list[str]:
        options = {"compare_type": True, "compare_server_default": True, "include_object": lambda _, name, *__: name != BOOKKEEPING}
        return [str(found) for found in compare_metadata(MigrationContext.configure(db, opts=options), metadata)]

    engine = create_async_engine(engine_url(url))
    async with engine.connect() as db:
        found = await db.run_sync(compare)
    await engine.dispose()
    return found


async def left_in(url: str) -> set[str]:
    db = await asyncpg.connect(url)
    try:
        return {row["relname"] for row in await db.fetch(LEFT)} - {BOOKKEEPING}
    finally:
        await db.close()


def test_every_service_has_migrations() -> None:
    assert all(list((ROOT / "services" / service / "migrations" / "versions").glob("*.py")) for service in SERVICES)


@pytest.mark.parametrize("service", SERVICES)
async def test_the_migrations_make_what_the_code_describes(empty: Empty, service: str) -> None:
    migrated, plain = await empty(), await empty()
    await asyncio.to_thread(migrate, service, migrated)
    await described(plain, metadata_of(service))
    assert await differences(migrated, metadata_of(service)) == []
    assert await said_by(migrated) == await said_by(plain)


@pytest.mark.parametrize("service", SERVICES)
async def test_they_go_back_to_nothing_and_forward_again(empty: Empty, service: str) -> None:
    url = await empty()
    await asyncio.to_thread(migrate, service, url)
    first = await said_by(url)
    await asyncio.to_thread(migrate, service, url, "base")
    assert await left_in(url) == set()
    await asyncio.to_thread(migrate, service, url)
    assert await said_by(url) == first
    assert {table for table, _ in first} == {*metadata_of(service).tables}


@pytest.mark.parametrize("service", SERVICES)
async def test_the_shards_and_the_clock_are_there(empty: Empty, service: str) -> None:
    """What a migration makes and no table describes."""
    url = await empty()
    await asyncio.to_thread(migrate, service, url)
    db = await asyncpg.connect(url)
    try:
        assert [row["shard"] for row in await db.fetch("select shard from lease order by shard")] == [*range(16)]
        assert await db.fetchval("select heli_now() - clock_timestamp() < interval '1 second'")
    finally:
        await db.close()


@pytest.mark.parametrize(
    ("change", "place", "said"),
    [
        ("alter table leg drop constraint leg_end", "leg", "CHECK"),
        ("alter table leg drop constraint leg_end, add constraint leg_end check (ended <> '')", "leg", "CHECK"),
        ("drop index leg_open_duty", "leg", "CREATE UNIQUE INDEX ON leg"),
        ("drop index case_due; create index case_due on case_file (next_due)", "case_file", "CREATE INDEX ON case_file"),
        ("alter table leg alter told drop not null", "leg", "column told"),
        ("alter table leg alter rung type integer", "leg", "column rung"),
        ("alter table rules alter at drop default", "rules", "column at"),
    ],
)
async def test_a_planted_difference_is_named(empty: Empty, change: str, place: str, said: str) -> None:
    migrated, plain = await empty(), await empty()
    await asyncio.to_thread(migrate, "referral", migrated)
    await described(plain, metadata_of("referral"))
    await run(migrated, change)
    found = await said_by(plain) - await said_by(migrated)
    assert [(where, what.startswith(said)) for where, what in found] == [(place, True)]

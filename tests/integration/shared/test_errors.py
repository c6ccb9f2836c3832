"""Which treatment does each class of error get? One table; every row is a real error of PostgreSQL, met by a record and by a caller."""

from typing import Any
from uuid import uuid4

import asyncpg
import msgspec
import pytest

from shared import patience
from shared.database import AWAY
from shared.errors import Clash, Problem, Unavailable
from shared.messages import Message, Response
from shared.room import Room
from tests.integration.shared.test_room import add, count, record, total

TABLE = [  # SQLSTATE, what it is, how often it strikes, what becomes of a record, what a caller meets
    ("55P03", "lock time-out", 1, "applied", Unavailable),
    ("57014", "statement time-out", 1, "applied", Unavailable),
    ("40P01", "deadlock", 2, "applied", Response),
    ("40001", "serialization", 2, "applied", Response),
    ("08006", "connection lost", 2, "applied", AWAY),
    ("57P01", "server shuts down", 2, "applied", AWAY),
    ("57P03", "server starts", 2, "applied", AWAY),
    ("53300", "too many connections", 2, "applied", AWAY),
    ("25006", "read-only", 2, "applied", AWAY),
    ("53100", "disk full", 2, "applied", AWAY),
    ("25P03", "stood still in a transaction", 2, "applied", AWAY),
    ("23505", "natural key exists", 9, "parked", (Problem, Clash)),
    ("23514", "check violated", 9, "parked", Problem),
    ("22003", "number out of range", 9, "parked", Problem),
    ("22021", "characters that it cannot hold", 9, "parked", Problem),
    ("XX000", "an error that we do not know", 3, "applied", asyncpg.PostgresError),
]
IDS = [name for _, name, *_ in TABLE]


@pytest.fixture
def striking(pool: asyncpg.Pool, monkeypatch: pytest.MonkeyPatch) -> Any:
    """A room whose loading meets an error so many times."""

    def make(state: str, times: int) -> Room:
        left = [times]

        async def load(db: Any, ids: Any) -> Any:
            if left[0] > 0:
                left[0] -= 1
                await db.execute(f"do $$ begin raise exception using errcode = '{state}'; end $$")
            return await toy.load(db, ids)

        from tests.support import toy

        struck = toy.room(pool)
        monkeypatch.setattr(struck, "kind", msgspec.structs.replace(toy.KIND, load=load))
        return struck

    return make


@pytest.mark.parametrize(("state", "_name", "times", "fate", "_met"), TABLE, ids=IDS)
async def test_a_record_is_applied_once_it_can_be_or_parked_when_it_never_can(
    striking: Any, pool: asyncpg.Pool, state: str, _name: str, times: int, fate: str, _met: Any
) -> None:
    struck, counter = striking(state, times), uuid4()
    message: Message = add(counter, id="1", record=record(1))

    async def apply() -> None:
        await struck.handle([message])

    await patience.patiently("heli.toy.v1", apply)
    applied, parked = await total(pool, counter), await count(pool, "parked")
    assert (applied, parked) == ((1, 0) if fate == "applied" else (None, 1))
    assert not patience.waiting("heli.toy.v1")


@pytest.mark.parametrize(("state", "_name", "times", "_fate", "met"), TABLE, ids=IDS)
async def test_a_caller_meets_its_answer_or_the_reason_and_nothing_is_half_done(
    striking: Any, pool: asyncpg.Pool, state: str, _name: str, times: int, _fate: str, met: Any
) -> None:
    struck, counter = striking(state, times), uuid4()
    try:
        outcome: Any = (await struck.handle([add(counter, id="1", digest=b"d")]))[0]
    except Exception as reason:  # noqa: BLE001 - the table says which
        outcome = reason
    assert isinstance(outcome, met)
    answered = isinstance(outcome, Response)
    assert (await total(pool, counter), await count(pool, "inbox"), await count(pool, "outbox")) == (
        (1, 1, 1) if answered else (None, 0, 0)
    )

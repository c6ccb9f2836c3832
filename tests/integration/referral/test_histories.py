"""Does the real database store every state that a history reaches, give it back as it was, and refuse what cannot be?"""

from typing import Any

import asyncpg
import msgspec
import pytest

from services.referral import store
from services.referral.domain.case import Case
from tests.integration.referral.conftest import Referral
from tests.unit.referral.acting import a_case
from tests.unit.referral.histories import OPENINGS, History, drawn
from tests.unit.referral.test_histories import ILLEGAL

CASE_ILLEGAL = {"case_open_is_due": {"next_due": None}, "case_grade": {"grade": "blue"}}


async def kept(referral: Referral, before: Case | None, after: Case, version: int) -> Case:
    """Saves a state over the one before it, and reads it again."""
    loaded = {} if before is None else {before.id: before}
    async with referral.pool.acquire() as db, db.transaction():
        await store.save(db, loaded, [msgspec.structs.replace(after, version=version)])
    return await referral.case(after.id)


@pytest.mark.parametrize("seed", range(10))
async def test_every_state_that_a_history_reaches_is_stored_and_read_as_it_was(referral: Referral, seed: int) -> None:
    history, version = History(OPENINGS[seed % len(OPENINGS)]), 0
    assert await kept(referral, None, history.case, version) == msgspec.structs.replace(history.case, version=1)
    for seen in history.play(drawn(seed, 40)):
        if seen.after is not seen.before:
            version += 1
            found = await kept(referral, seen.before, seen.after, version)
            assert found == msgspec.structs.replace(seen.after, version=version + 1)
    assert version > 3


@pytest.mark.parametrize(("name", "changes"), [pair for pair in ILLEGAL.items() if pair[0].startswith("leg_")])
async def test_an_illegal_leg_is_refused_by_the_constraint_that_the_unit_tier_names(
    referral: Referral, name: str, changes: dict[str, Any]
) -> None:
    case = a_case()
    legs = {1: msgspec.structs.replace(case.legs[1], **changes)}
    with pytest.raises(asyncpg.CheckViolationError) as refused:
        await kept(referral, None, msgspec.structs.replace(case, legs=legs), 0)
    assert refused.value.constraint_name == name


@pytest.mark.parametrize(("name", "changes"), CASE_ILLEGAL.items())
async def test_so_is_an_illegal_case(referral: Referral, name: str, changes: dict[str, Any]) -> None:
    with pytest.raises(asyncpg.CheckViolationError) as refused:
        await kept(referral, None, msgspec.structs.replace(a_case(), **changes), 0)
    assert refused.value.constraint_name == name

"""Do the migrations make the tables that the code describes, and unmake them, and do the tables refuse what may not be?"""

import asyncio
from datetime import UTC, datetime
from uuid import uuid4

import asyncpg
import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from sqlalchemy.ext.asyncio import create_async_engine

from services.intake.tables import METADATA
from shared.database import engine_url, migrate
from tests.integration.intake.conftest import Intake


async def test_the_schema_is_that_of_the_code_and_goes_back_to_nothing(intake: Intake) -> None:
    engine = create_async_engine(engine_url(intake.cable.url))
    async with engine.connect() as db:
        found = await db.run_sync(lambda sync: compare_metadata(MigrationContext.configure(sync), METADATA))
    await engine.dispose()
    assert [difference for difference in found if "alembic_version" not in str(difference)] == []
    await asyncio.to_thread(migrate, "intake", intake.cable.url, "base")
    left = await intake.pool.fetch("select table_name from information_schema.tables where table_schema = 'public'")
    assert [row["table_name"] for row in left] == ["alembic_version"]


@pytest.mark.parametrize(
    ("change", "constraint"),
    [
        ("next_due = null", "report_clock"),
        ("minors = 0", "report_minors"),
        ("situations = '', groups = ''", "report_reason"),
    ],
)
async def test_an_illegal_state_cannot_be_stored(intake: Intake, change: str, constraint: str) -> None:
    await intake.filed()
    with pytest.raises(asyncpg.CheckViolationError) as refused:
        await intake.pool.execute(f"update report set {change}")
    assert refused.value.constraint_name == constraint


async def test_a_done_leg_has_its_time(intake: Intake) -> None:
    report, _ = await intake.filed()
    insert = (
        "insert into report_leg (id, report_id, case_id, agency, department, issued_at, ended) values ($1, $2, $1, 'a', 'police', $3, $4)"
    )
    for ended in ("fulfilled", "forgotten"):
        with pytest.raises(asyncpg.CheckViolationError):
            await intake.pool.execute(insert, uuid4(), report, datetime.now(UTC), ended)

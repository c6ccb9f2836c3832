"""Which rules and which directory does referral refuse at its start, and does it say why?"""

from pathlib import Path

import pytest
import yaml

from services.referral import app
from shared.settings import Settings
from tests.integration.referral.conftest import Referral

ROOT = {"code": "jc", "name": "联席办", "department": "joint_conference", "region": "239900000000"}
POLICE = {"code": "police-x", "name": "公安", "department": "police", "region": "239901000000"}


def settings(folder: Path, *entries: dict[str, str], rules: str | None = None) -> Settings:
    directory = folder / "directory.yaml"
    directory.write_text(yaml.safe_dump({"agencies": list(entries)}, allow_unicode=True))
    path = folder / "rules.yaml"
    if rules is not None:
        path.write_text(rules)
    return Settings(service="referral", database_url="", kafka="", directory=directory, rules=path if rules is not None else None)


async def test_a_directory_without_a_joint_conference_office_at_its_root_is_refused(referral: Referral, tmp_path: Path) -> None:
    await referral.pool.execute("delete from agency")
    with pytest.raises(SystemExit, match="no joint-conference office"):
        await app.prepare(settings(tmp_path, POLICE), referral.agencies)
    assert await referral.pool.fetchval("select count(*) from agency") == 0


async def test_an_agency_above_which_no_joint_conference_office_stands_is_named(referral: Referral, tmp_path: Path) -> None:
    await referral.pool.execute("delete from agency")
    elsewhere = POLICE | {"region": "110101000000"}
    with pytest.raises(SystemExit, match="agency police-x"):
        await app.prepare(settings(tmp_path, ROOT, elsewhere), referral.agencies)


async def test_an_entry_that_breaks_a_rule_is_named(referral: Referral, tmp_path: Path) -> None:
    await referral.pool.execute("delete from agency")
    with pytest.raises(SystemExit, match=r"police-x.*superior-unknown"):
        await app.prepare(settings(tmp_path, ROOT, POLICE | {"superior": "nobody"}), referral.agencies)


async def test_rules_that_cannot_be_used_are_refused_by_row(referral: Referral, tmp_path: Path) -> None:
    with pytest.raises(SystemExit, match="heli rules check"):
        await app.prepare(settings(tmp_path, ROOT, rules="version: '1'"), referral.agencies)


async def test_the_same_file_at_every_start_changes_nothing(referral: Referral, tmp_path: Path) -> None:
    for _ in range(3):
        await app.prepare(settings(tmp_path, ROOT, POLICE), referral.agencies)
    assert len(await referral.events("agency.changed")) == len({"jc", "police-x"}) + 8
    rules = await referral.pool.fetch("select kind, current from rules")
    assert sorted(row["kind"] for row in rules if row["current"]) == ["calendar", "rules"]

"""What is counted of a region and a period, by whom may it be asked, and what does it cost?"""

from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import uuid4

import pytest

from services.referral.domain.case import Case
from services.referral.domain.leg import Leg
from tests.integration.referral.conftest import Referral
from tests.integration.referral.desk import Desk

OTHER_COUNTY = "239902100201"
PLACED = {"ground": ("4",), "placement": ("shelter",)}


@pytest.fixture
def referral(desk: Desk) -> Referral:
    return Referral(desk.pool)


def of(case: Case, duty: str) -> Leg:
    return next(leg for leg in case.legs.values() if leg.duty == duty and leg.open)


def period(days: int = 1) -> dict[str, str]:
    now = datetime.now(UTC)
    return {"since": (now - timedelta(days=days)).isoformat(), "until": (now + timedelta(days=1)).isoformat()}


async def counted(desk: Desk, party: str, **more: Any) -> dict[str, Any]:
    answer = await desk.call(party, "GET", "joint/stats", params={**period(), **more})
    assert answer.status_code == 200, answer.text
    found: dict[str, Any] = answer.json()
    return found


def summed(found: dict[str, Any], *names: str) -> dict[tuple[Any, ...], int]:
    sums: dict[tuple[Any, ...], int] = {}
    for row in found["legs"]:
        key = tuple(row[name] for name in names)
        sums[key] = sums.get(key, 0) + row["count"]
    return sums


async def test_legs_are_counted_by_responsibility_state_and_outcome(desk: Desk, referral: Referral) -> None:
    first, second = await referral.report("L1a", kind="other"), await referral.report("M6", kind="hospital")
    await referral.answer(of(first, "guardianship_protection"), "fulfilled", "placed", details=PLACED)
    await referral.answer(of(first, "receive_and_respond"), "active", step="case_decided", details={"decision": ("not_filed",)})
    await referral.answer(of(second, "guardianship_protection"), "fulfilled", "guardian_returned")
    await referral.report("K4", groups=("K4",), kind="other", region=OTHER_COUNTY)
    found = await counted(desk, "operator")
    assert sorted((row["grade"], row["state"], row["count"]) for row in found["cases"]) == [
        ("amber", "open", 1), ("green", "open", 1), ("red", "open", 1),
    ]  # fmt: skip
    assert summed(found, "responsibility", "outcome") == {
        ("temporary_guardianship", "placed"): 1,
        ("family_guardianship", "guardian_returned"): 1,
        ("family_guardianship", None): 3,
        ("anti_abandonment", None): 2,
        ("hukou", None): 1,
    }
    assert summed(found, "state") == {("fulfilled",): 2, ("active",): 1, ("issued",): 5}
    assert summed(found, "overdue") == {(False,): 8}
    assert [row["responsibility"] for row in found["responsibilities"]][:2] == ["family_guardianship", "mandatory_reporting"]
    here = await counted(desk, "operator", region="239901")
    assert (sum(row["count"] for row in here["legs"]), {row["responsibility"] for row in here["legs"]} & {"hukou"}) == (6, set())


async def test_what_is_overdue_now_and_what_ever_was(desk: Desk, referral: Referral) -> None:
    case = await referral.report("M6", kind="hospital")
    await referral.forward(timedelta(minutes=5))
    await referral.sweep()
    await referral.answer(of(case, "receive_and_respond"), "seen")
    found = await counted(desk, "operator")
    assert summed(found, "duty", "overdue", "missed") == {
        ("receive_and_respond", False, True): 1, ("guardianship_protection", True, True): 1, ("assess_and_register", True, True): 1,
    }  # fmt: skip


async def test_an_office_counts_its_own_region_and_no_other_agency_counts(desk: Desk, referral: Referral) -> None:
    await referral.report("L1a", kind="other")
    await referral.report("L2", region=OTHER_COUNTY, kind="other")
    assert {row["state"]: row["count"] for row in (await counted(desk, "jc-county"))["cases"]} == {"open": 1}
    assert sum(row["count"] for row in (await counted(desk, "jc-city"))["cases"]) == 2
    assert (await desk.call("jc-county", "GET", "joint/stats", params=period() | {"region": "239902"})).status_code == 403
    refused = await desk.call("police-county", "GET", "joint/stats", params=period())
    assert (refused.status_code, refused.json()["title"]) == (403, "not-for-you")


async def test_a_period_is_bounded_and_bounds_what_is_counted(desk: Desk, referral: Referral) -> None:
    await referral.report("L1a", kind="other")
    before = {"since": "2026-01-01T00:00:00+08:00", "until": "2026-02-01T00:00:00+08:00"}
    assert (await desk.call("operator", "GET", "joint/stats", params=before)).json()["cases"] == []
    for days in (-2, 400):
        refused = await desk.call("operator", "GET", "joint/stats", params=period(days))
        assert (refused.status_code, refused.json()["errors"][0]["rule"]) == (422, "period")
    assert (await desk.call("operator", "GET", "joint/stats", params={**period(), "region": "999999"})).status_code == 422
    assert (await desk.call("operator", "GET", "joint/stats")).status_code == 422


async def test_a_duty_that_another_case_of_the_child_covers_is_counted_once(desk: Desk, referral: Referral) -> None:
    child = uuid4()
    first = await referral.report("K3", groups=("K3",), kind="other", about=child)
    await referral.report("K3", groups=("K3",), kind="other", about=child)
    assert summed(await counted(desk, "operator"), "duty") == {("school_return",): 1, ("assess_and_register",): 1}
    entries = (await desk.call("operator", "GET", "ledgers/suspected_dropouts")).json()["legs"]
    assert [row["leg"] for row in entries] == [str(of(first, "school_return").id)]


async def test_no_value_of_a_single_child_is_among_the_counts(desk: Desk, referral: Referral) -> None:
    case = await referral.report("L1a", kind="other")
    answer = await desk.call("operator", "GET", "joint/stats", params=period())
    assert not any(word in answer.text for word in (str(case.child), str(case.id), case.code, case.region))

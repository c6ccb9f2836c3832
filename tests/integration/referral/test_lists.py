"""Who lists which legs and cases, narrowed to what, and does a page neither skip nor repeat?"""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from services.referral.domain.case import Case
from services.referral.domain.leg import Leg
from tests.integration.referral.conftest import Referral
from tests.integration.referral.desk import Desk
from tests.support import county

HOUR = timedelta(hours=1)
OTHER_COUNTY = "239902100201"


@pytest.fixture
def referral(desk: Desk) -> Referral:
    """The rooms behind the desk, to make cases and move time."""
    return Referral(desk.pool)


def of(case: Case, department: str) -> Leg:
    return next(leg for leg in case.legs.values() if leg.department == department and leg.open)


def ids(rows: list[dict[str, Any]]) -> list[str]:
    return [row["leg"] for row in rows]


async def test_an_agency_lists_its_own_and_an_operator_everything(desk: Desk, referral: Referral) -> None:
    case = await referral.report("L1a")
    police = str(of(case, "police").id)
    assert ids(await desk.listed("police-county")) == [police]
    assert ids(await desk.listed("police-county", agency="police-county")) == [police]
    assert len(await desk.listed("operator")) == len(case.legs)
    assert ids(await desk.listed("operator", agency="police-county")) == [police]
    refused = await desk.call("police-county", "GET", "legs", params={"agency": "civil-county"})
    assert (refused.status_code, refused.json()["title"]) == (403, "not-for-you")


async def test_a_state_is_the_furthest_fact_or_the_end(desk: Desk, referral: Referral) -> None:
    cases = [await referral.report("L1a") for _ in range(6)]
    legs = [of(case, "police") for case in cases]
    for leg, answer in zip(legs[1:], ("seen", "accepted", "active", "declined", "fulfilled"), strict=True):
        assert (await referral.answer(leg, answer, {"declined": "not_my_duty", "fulfilled": "child_safe"}.get(answer))).status == 200
    by = {
        state: ids(await desk.listed("police-county", state=state))
        for state in ("issued", "seen", "accepted", "active", "declined", "fulfilled")
    }
    assert by == {
        state: [str(leg.id)] for state, leg in zip(("issued", "seen", "accepted", "active", "declined", "fulfilled"), legs, strict=True)
    }
    assert ids(await desk.listed("police-county", state="delivered")) == []
    assert [len(await desk.listed("police-county", state=state)) for state in ("open", "ended", "any")] == [4, 2, 6]
    assert {row["state"] for row in await desk.listed("police-county", state="any")} == by.keys()


async def test_overdue_means_that_a_clock_has_run_out_which_nobody_has_met(desk: Desk, referral: Referral) -> None:
    late, early = of(await referral.report("M6", kind="hospital"), "police"), of(await referral.report("K4", groups=("K4",)), "police")
    assert await desk.listed("police-county", overdue=True) == []
    await referral.forward(timedelta(minutes=5))
    await referral.sweep()
    assert ids(await desk.listed("police-county", overdue=True)) == [str(late.id)]
    await referral.answer(late, "seen")
    assert await desk.listed("police-county", overdue=True) == []
    await referral.forward(HOUR)
    await referral.sweep()
    assert set(ids(await desk.listed("police-county", overdue=True))) == {str(late.id), str(early.id)}
    await referral.answer(late, "fulfilled", "child_safe")
    assert ids(await desk.listed("police-county", overdue=True)) == [str(early.id)]


async def test_grade_region_and_due_before_narrow_further(desk: Desk, referral: Referral) -> None:
    red = await referral.report("M6", kind="hospital")
    other = await referral.report("L2", region=OTHER_COUNTY)
    assert {row["case"] for row in await desk.listed("operator", grade="red")} == {str(red.id)}
    assert {row["case"] for row in await desk.listed("operator", region="239902")} == {str(other.id)}
    assert {row["case"] for row in await desk.listed("operator", region="239901100")} == {str(red.id)}
    assert {row["case"] for row in await desk.listed("operator", region="239900")} == {str(red.id), str(other.id)}
    soon = datetime.now(UTC) + timedelta(minutes=5)
    assert {row["case"] for row in await desk.listed("operator", due_before=soon.isoformat())} == {str(red.id)}
    unknown = await desk.call("operator", "GET", "legs", params={"region": "999999"})
    assert (unknown.status_code, unknown.json()["errors"][0]["rule"]) == (422, "region-unknown")


@pytest.mark.parametrize(
    "query", ["state=asleep", "grade=blue", "overdue=perhaps", "limit=0", "limit=201", "stat=open", "due_before=2026-01-01T00:00:00"]
)
async def test_a_filter_that_is_none_is_refused_and_never_ignored(desk: Desk, query: str) -> None:
    assert (await desk.call("operator", "GET", f"legs?{query}")).status_code == 422
    assert (await desk.call("operator", "GET", f"cases?{query}")).status_code == 422


async def test_a_joint_conference_office_lists_what_is_overdue_in_its_region_and_nothing_else(desk: Desk, referral: Referral) -> None:
    here, there = await referral.report("M6", kind="hospital"), await referral.report("M6", kind="hospital", region=OTHER_COUNTY)
    assert await desk.listed("jc-county") == []
    assert await desk.listed("jc-county", overdue=True) == []
    await referral.forward(timedelta(minutes=5))
    await referral.sweep()
    assert {row["case"] for row in await desk.listed("jc-county", overdue=True)} == {str(here.id)}
    assert {row["case"] for row in await desk.listed("jc-city", overdue=True)} == {str(here.id), str(there.id)}
    assert {row["case"] for row in await desk.listed("jc-city", overdue=True, region="239902")} == {str(there.id)}
    assert (await desk.call("jc-county", "GET", "legs", params={"overdue": True, "region": "239902"})).status_code == 403
    assert ids(await desk.listed("jc-county", overdue=True, agency="police-county")) == [str(of(here, "police").id)]
    assert (await desk.call("jc-county", "GET", "legs", params={"agency": "police-county"})).status_code == 403
    assert {row["case"] for row in await desk.listed("jc-county", "cases", overdue=True)} == {str(here.id)}
    await referral.pool.execute("update agency set active = false where code = 'jc-county'")
    await referral.pool.execute("update reference set version = version + 1")
    assert await desk.listed("jc-county", overdue=True) == []


async def test_cases_come_with_those_legs_that_the_caller_may_list(desk: Desk, referral: Referral) -> None:
    first, second = await referral.report("L1a"), await referral.report("L2", region=OTHER_COUNTY)
    await referral.answer(of(second, "civil_affairs"), "seen")
    seen = await desk.listed("police-county", "cases")
    assert [(case["case"], ids(case["legs"])) for case in seen] == [(str(first.id), [str(of(first, "police").id)])]
    assert not {"child", "region"} & seen[0].keys()
    assert seen[0]["county"] == county.COUNTY
    every = await desk.listed("operator", "cases")
    assert [(case["case"], len(case["legs"]), case["region"]) for case in every] == [
        (str(first.id), len(first.legs), county.VILLAGE),
        (str(second.id), len(second.legs), OTHER_COUNTY),
    ]
    assert [case["case"] for case in await desk.listed("operator", "cases", agency="police-county")] == [str(first.id)]
    for leg in first.legs.values():
        await referral.answer(leg, "fulfilled", "child_safe")
    assert [[case["case"] for case in await desk.listed("operator", "cases", state=state)] for state in ("open", "closed", "any")] == [
        [str(second.id)], [str(first.id)], [str(first.id), str(second.id)],
    ]  # fmt: skip


@pytest.mark.parametrize("what", ["legs", "cases"])
async def test_pages_neither_skip_nor_repeat_while_rows_are_added(desk: Desk, referral: Referral, what: str) -> None:
    key = what.removesuffix("s")
    before = [await referral.report("L1a") for _ in range(3)]
    seen: list[str] = []
    after = None
    while True:
        page = (await desk.call("operator", "GET", what, params={"limit": 2} | ({"after": after} if after else {}))).json()
        seen += [row[key] for row in page[what]]
        if len(seen) == 2:
            before.append(await referral.report("L1a"))
        after = page["next"]
        if after is None:
            break
    assert len(seen) == len(set(seen)) == (4 if what == "cases" else sum(len(case.legs) for case in before))
    assert (await desk.call("operator", "GET", what, params={"after": "nonsense"})).status_code == 422


async def test_a_page_has_200_rows_at_most(desk: Desk) -> None:
    assert (await desk.call("operator", "GET", "legs", params={"limit": 200})).status_code == 200
    assert (await desk.call("operator", "GET", "cases", params={"limit": 201})).status_code == 422

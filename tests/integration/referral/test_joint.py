"""What does a joint-conference office see of its region, and how does a press go from the office to the agency and back?"""

from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import uuid4

import pytest

from services.referral.auditor import looking
from services.referral.domain.case import Case
from services.referral.domain.leg import Leg
from tests.integration.referral.conftest import Referral
from tests.integration.referral.desk import Desk

HOUR = timedelta(hours=1)
OTHER_COUNTY = "239902100201"


@pytest.fixture
def referral(desk: Desk) -> Referral:
    """The rooms behind the desk, to make cases and move time."""
    return Referral(desk.pool)


def police(case: Case) -> Leg:
    return next(leg for leg in case.legs.values() if leg.agency == "police-county" and leg.open)


async def rows(desk: Desk, party: str, what: str, **asked: Any) -> list[dict[str, Any]]:
    response = await desk.call(party, "GET", f"joint/{what}", params=asked)
    assert response.status_code == 200, response.text
    found: list[dict[str, Any]] = response.json()["agencies"]
    return found


async def press(desk: Desk, leg: Leg, due: datetime, office: str = "jc-county", key: str | None = None) -> Any:
    body = {"due": due.isoformat(), "reason": "silent"}
    return await desk.call(office, "POST", f"legs/{leg.id}/press", json=body, headers={"Idempotency-Key": key or uuid4().hex})


async def test_what_is_overdue_is_counted_by_agency_rung_and_grade_within_the_office_s_region(desk: Desk, referral: Referral) -> None:
    for _ in range(3):
        await referral.report("M6", kind="hospital")
    elsewhere = await referral.report("M6", kind="hospital", region=OTHER_COUNTY)
    assert await rows(desk, "jc-county", "overdue") == []
    await referral.forward(timedelta(minutes=30))
    await referral.sweep()
    county = {row["agency"]: row for row in await rows(desk, "jc-county", "overdue")}
    found = county["police-county"]
    assert (found["overdue"], found["grades"], sum(found["rungs"].values()), found["pressed"]) == (3, {"red": 3}, 3, 0)
    assert all(int(rung) > 0 for rung in found["rungs"])
    city = {row["agency"]: row for row in await rows(desk, "jc-city", "overdue")}
    assert sum(row["overdue"] for row in city.values()) > sum(row["overdue"] for row in county.values())
    there = await rows(desk, "jc-city", "overdue", region="239902")
    assert sum(row["overdue"] for row in there) == len([leg for leg in elsewhere.legs.values() if leg.open])
    refused = await desk.call("jc-county", "GET", "joint/overdue", params={"region": "239902"})
    assert (refused.status_code, refused.json()["title"]) == (403, "not-your-region")
    assert (await desk.call("police-county", "GET", "joint/overdue")).status_code == 403
    assert await rows(desk, "operator", "overdue", agency="police-county") == [found]


async def test_its_pages_neither_skip_nor_repeat_an_agency(desk: Desk, referral: Referral) -> None:
    await referral.report("M6", kind="hospital")
    await referral.report("L2")
    await referral.forward(timedelta(hours=80))
    await referral.sweep()
    whole = [row["agency"] for row in await rows(desk, "jc-city", "overdue")]
    paged, after = [], None
    while True:
        asked = {"limit": 1} | ({"after": after} if after else {})
        page = (await desk.call("jc-city", "GET", "joint/overdue", params=asked)).json()
        paged += [row["agency"] for row in page["agencies"]]
        if (after := page["next"]) is None:
            break
    assert (paged, len(set(paged)), len(whole) > 1) == (whole, len(whole), True)


async def test_late_answers_are_counted_by_agency_and_clock_over_a_period(desk: Desk, referral: Referral) -> None:
    late, early = police(await referral.report("M6", kind="hospital")), police(await referral.report("M6", kind="hospital"))
    await referral.answer(early, "active")
    await referral.forward(timedelta(minutes=5))
    await referral.sweep()
    before = {row["agency"]: row for row in await rows(desk, "jc-county", "answers")}["police-county"]
    assert (before["legs"], before["late"], before["silent"], before["missed"]) == (2, 1, 1, {"delivered": 1})
    await referral.answer(late, "active")
    after = {row["agency"]: row for row in await rows(desk, "jc-county", "answers")}["police-county"]
    assert (after["late"], after["silent"], after["missed"]) == (1, 0, {"delivered": 1})
    old = {"since": "2026-01-01T00:00:00Z", "until": "2026-01-31T00:00:00Z"}
    assert await rows(desk, "jc-county", "answers", **old) == []
    wrong = await desk.call("jc-county", "GET", "joint/answers", params={"since": "2026-01-01T00:00:00Z", "until": "2025-01-31T00:00:00Z"})
    assert (wrong.status_code, wrong.json()["errors"][0]["rule"]) == (422, "period")


async def test_a_press_needs_a_key_and_an_answer_and_is_listed_until_it_is_closed(desk: Desk, referral: Referral) -> None:
    leg = police(await referral.report("M6", kind="hospital"))
    due = datetime.now(UTC) + HOUR
    body = {"due": due.isoformat(), "reason": "silent"}
    assert (await desk.call("jc-county", "POST", f"legs/{leg.id}/press", json=body)).json()["title"] == "idempotency-key-missing"
    assert (await press(desk, leg, due, "police-city")).status_code == 404
    first, again = await press(desk, leg, due, key="k"), await press(desk, leg, due, key="k")
    assert (first.status_code, first.content) == (201, again.content)
    for party in ("jc-county", "police-county", "operator"):
        (shown,) = (await desk.call(party, "GET", "presses")).json()["legs"]
        assert (shown["leg"], shown["press"]["by"], shown["press"]["reason"]) == (str(leg.id), "jc-county", "silent")
    assert (await desk.call("jc-city", "GET", "presses")).json()["legs"] == []
    early = await desk.call("jc-county", "POST", f"legs/{leg.id}/press/close")
    assert (early.status_code, early.json()["title"]) == (409, "needs-answer")
    assert (await desk.call("police-county", "POST", f"legs/{leg.id}/press/answer", json={"answer": "under_way"})).status_code == 200
    closed = await desk.call("jc-county", "POST", f"legs/{leg.id}/press/close")
    assert closed.status_code == 200, closed.text
    assert (await desk.call("police-county", "GET", "presses")).json()["legs"] == []
    said = [(await referral.events(name))[0]["by"] for name in ("leg.pressed", "press.answered", "press.closed")]
    assert said == ["jc-county"] * 3


async def test_a_case_is_pressed_as_a_whole(desk: Desk, referral: Referral) -> None:
    case = await referral.report("M6", kind="hospital")
    body = {"due": (datetime.now(UTC) + HOUR).isoformat(), "reason": "risk_rising"}
    made = await desk.call("jc-county", "POST", f"cases/{case.id}/press", json=body, headers={"Idempotency-Key": "a"})
    assert (made.status_code, len(made.json()["presses"])) == (201, len(case.legs))
    none = await desk.call("jc-county", "POST", f"cases/{uuid4()}/press", json=body, headers={"Idempotency-Key": "b"})
    assert none.status_code == 404


async def test_an_unanswered_press_is_unfired_until_the_sweep_rings_it_to_the_office(desk: Desk, referral: Referral) -> None:
    leg = police(await referral.report("M6", kind="hospital"))
    await press(desk, leg, datetime.now(UTC) + HOUR)
    await referral.forward(2 * HOUR)
    found = await looking.look(desk.pool)
    assert "press 1" in {one.what for one in found.suspects if one.leg == leg.id}
    await referral.sweep()
    (missed,) = await referral.events("press.missed")
    assert (missed["by"], missed["agency"], missed["leg"]) == ("jc-county", "police-county", str(leg.id))
    assert (await looking.look(desk.pool)).unfired == 0
    row = {row["agency"]: row for row in await rows(desk, "jc-county", "answers")}["police-county"]
    assert (row["presses"], row["presses_missed"]) == (1, 1)

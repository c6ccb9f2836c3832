"""Does a running case come under other rules only by a person's reasoned order, and what was counted blindly get counted again, aloud?"""

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import uuid4

import msgspec
import pytest

from services.referral import app, handlers, store
from services.referral.domain.doubts import SURE, doubts_of
from services.referral.domain.rules import RuleSet
from shared.calendar import NATIONAL, Calendar
from shared.messages import Message, Response
from tests.integration.referral.conftest import Referral
from tests.integration.referral.desk import Desk

FILE = max(app.RULES.glob("*.yaml"))


def slower() -> bytes:
    """The rules in force, with a shorter time for every red acceptance."""
    data: Any = msgspec.yaml.decode(FILE.read_bytes())
    for clocks in data["clocks"].values():
        clocks["accepted"]["period"] = {"limit": 7, "unit": "minutes"}
    return msgspec.yaml.encode(data)


def calendar_with(years: Mapping[int, tuple[str, str]]) -> bytes:
    """The country's calendar, without or with further years: of each, one long holiday."""
    data: Any = msgspec.yaml.decode(NATIONAL.read_bytes())
    data["years"] |= {year: {"holidays": [list(days)], "working": []} for year, days in years.items()}
    return msgspec.yaml.encode(data)


async def order(referral: Referral, body: Any) -> Response:
    (response,) = await referral.cases.handle([Message(body=body, aggregate=body.case)])
    return response


async def test_a_case_is_moved_to_other_rules_with_a_reason_and_every_change_of_a_clock_is_said(referral: Referral) -> None:
    old = await referral.report("L1b")
    data = slower()
    new = RuleSet.parse(data).hash
    await store.remember(referral.pool, "rules", new, data)
    assert (await referral.case(old.id)).rules == old.rules
    unknown = handlers.MoveRules(case=old.id, by="operator", office=None, reason="law_changed", rules="0" * 64)
    assert (await order(referral, unknown)).status == 422
    assert (await order(referral, msgspec.structs.replace(unknown, rules=new, office="police-county"))).status == 403
    assert (await order(referral, msgspec.structs.replace(unknown, rules=new, office="jc-county", by="jc-county"))).status == 200
    moved = await referral.case(old.id)
    assert moved.rules == new
    for number, leg in old.legs.items():
        after = moved.legs[number]
        assert after.accepted_due == leg.issued_at + timedelta(minutes=7)
        assert after.seen_due == leg.seen_due
    (said,) = await referral.events("case.rules_changed")
    assert (said["rules_before"], said["rules"], said["reason"], said["by"]) == (old.rules, new, "law_changed", "jc-county")
    assert {event["leg"] for event in await referral.events("leg.rescheduled")} == {str(leg.id) for leg in old.legs.values()}
    assert (await order(referral, msgspec.structs.replace(unknown, rules=old.rules))).status == 200, "an old hash stays loadable"
    assert (await referral.case(old.id)).legs[1].accepted_due == old.legs[1].accepted_due


async def test_what_has_run_out_or_was_done_stays_a_fact_under_other_rules(referral: Referral) -> None:
    case = await referral.report("L1b")
    await referral.answer(case.legs[1], "accepted")
    await referral.forward(timedelta(hours=3))
    await referral.sweep()
    before = await referral.case(case.id)
    data = slower()
    await store.remember(referral.pool, "rules", RuleSet.parse(data).hash, data)
    await order(referral, handlers.MoveRules(case=case.id, by="o", office=None, reason="other", rules=RuleSet.parse(data).hash))
    after = await referral.case(case.id)
    assert after.legs[1].accepted_due == before.legs[1].accepted_due
    assert [leg.missed for leg in after.legs.values()] == [leg.missed for leg in before.legs.values()]
    assert [leg.rung for leg in after.legs.values()] == [leg.rung for leg in before.legs.values()]


@pytest.fixture
async def blind(referral: Referral) -> Referral:
    """Time stands where every period of days ends in a year that nobody has published."""
    last = max(Calendar.national().years)
    await referral.forward(datetime(last, 12, 31, 2, tzinfo=UTC) - datetime.now(UTC))
    return referral


async def test_a_due_time_through_an_unpublished_year_is_kept_as_doubtful_and_counted_again_when_the_year_is_loaded(
    blind: Referral,
) -> None:
    case = await blind.report(groups=("K3",), kind="school")
    doubtful = [leg for leg in case.legs.values() if leg.doubts != SURE]
    assert doubtful, "a green case has clocks of days"
    year = doubts_of(doubtful[0])[0].years[0]
    holiday = calendar_with({year: (f"{year}-01-01", f"{year}-03-31")})
    days = Calendar.parse(holiday).hash
    await store.remember(blind.pool, "calendar", days, holiday)
    assert (await blind.case(case.id)).legs[doubtful[0].number].doubts != SURE
    await store.wake_doubtful(blind.pool, days)
    assert await blind.sweep() == 1
    after = await blind.case(case.id)
    assert after.calendar == days
    assert all(leg.doubts == SURE for leg in after.legs.values())
    for leg in doubtful:
        for doubt in doubts_of(leg):
            assert getattr(after.legs[leg.number], f"{doubt.clock}_due") >= datetime(year, 3, 31, 16, tzinfo=UTC)
    said = await blind.events("leg.rescheduled")
    assert {(event["leg"], event["why"], event["calendar"]) for event in said} == {(str(leg.id), "calendar", days) for leg in doubtful}
    await store.wake_doubtful(blind.pool, days)
    assert await blind.sweep() == 0


async def test_a_holiday_that_was_published_late_makes_nothing_overdue(blind: Referral) -> None:
    case = await blind.report(groups=("K3",), kind="school")
    doubt = next(doubt for leg in case.legs.values() for doubt in doubts_of(leg))
    holiday = calendar_with({doubt.years[0]: (f"{doubt.years[0]}-01-01", f"{doubt.years[0]}-03-31")})
    await store.remember(blind.pool, "calendar", Calendar.parse(holiday).hash, holiday)
    await blind.forward(timedelta(days=20))
    await blind.sweep()
    late = {event["clock"] for event in await blind.events("leg.overdue")}
    assert doubt.clock not in late


async def test_by_http_an_order_needs_an_operator_or_the_office_of_the_place_and_a_reason_of_the_list(desk: Desk) -> None:
    unknown = f"cases/{uuid4()}/rules"
    body = {"rules": "0" * 64, "reason": "law_changed"}
    assert (await desk.call("operator", "POST", unknown, json=body)).status_code == 404
    assert (await desk.call("operator", "POST", unknown, json=body | {"reason": "because"})).status_code == 422
    assert (await desk.call("operator", "POST", unknown, json=body | {"rules": "new"})).status_code == 422
    assert (await desk.call("operator", "POST", f"cases/{uuid4()}/unlink", json={"reason": "another_child"})).status_code == 404
    assert (await desk.call("operator", "GET", f"cases/{uuid4()}")).status_code == 404

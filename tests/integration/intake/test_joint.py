"""Who reported late? A joint-conference office sees it by reporter unit, in its own region alone."""

from datetime import UTC, datetime, timedelta
from typing import Any

from deploy import keys
from tests.integration.intake.conftest import Intake
from tests.support import county, reports

HOUR = timedelta(hours=1)


def office(intake: Intake, region: str = county.COUNTY, department: str = "joint_conference") -> dict[str, str]:
    token = keys.issue(intake._signer, keys.Claims(kind="agency", party="jc-county", region=region, role="x", department=department))  # noqa: SLF001
    return {"Authorization": f"Bearer {token}"}


async def filed(intake: Intake, party: str, hours: float, **changes: Any) -> None:
    seen = (datetime.now(UTC) - timedelta(hours=hours)).isoformat()
    response = await intake.post(reports.body(seen_at=seen, **changes), **intake.reporter(party))
    assert response.status_code == 202, response.text


async def units(intake: Intake, headers: dict[str, str], query: str = "") -> dict[str, dict[str, Any]]:
    response = await intake.get(f"joint/reporters{query}", headers)
    assert response.status_code == 200, response.text
    return {row["party"]: row for row in response.json()["units"]}


async def test_late_reports_are_counted_by_unit_with_their_delay(intake: Intake) -> None:
    for hours in (0.5, 1.5, 5):
        await filed(intake, "school-1", hours)
    await filed(intake, "school-2", 23, situations=[], groups=["K3"])
    await filed(intake, "school-2", 25, situations=[], groups=["K3"])
    found = await units(intake, office(intake))
    assert {party: (row["reports"], row["late"]) for party, row in found.items()} == {"school-1": (3, 1), "school-2": (2, 1)}
    assert (round(found["school-1"]["median_seconds"] / 3600, 1), round(found["school-1"]["longest_seconds"] / 3600)) == (1.5, 5)
    assert found["school-1"]["reporter_kind"] == "school"
    stricter = await units(intake, office(intake), "?late_after=1")
    assert {party: row["late"] for party, row in stricter.items()} == {"school-1": 2, "school-2": 2}
    whole = (await intake.get("joint/reporters", office(intake))).json()
    assert whole["late_after"] == {"with_situation_seconds": 7200.0, "groups_alone_seconds": 86400.0, "basis": "local"}


async def test_an_office_sees_its_own_region_and_nobody_else_anything(intake: Intake) -> None:
    await filed(intake, "school-1", 5)
    await filed(intake, "school-2", 5, region="239902100201")
    assert set(await units(intake, office(intake))) == {"school-1"}
    assert set(await units(intake, office(intake, "239900000000"))) == {"school-1", "school-2"}
    assert set(await units(intake, office(intake, "239900000000"), "?region=239902")) == {"school-2"}
    assert (await intake.get("joint/reporters?region=239902", office(intake))).status_code == 403
    assert set(await units(intake, intake.operator())) == {"school-1", "school-2"}
    assert (await intake.get("joint/reporters", intake.agency("police"))).status_code == 403
    assert (await intake.get("joint/reporters", intake.reporter())).status_code == 403


async def test_a_period_and_pages_bound_the_list(intake: Intake) -> None:
    for number in range(5):
        await filed(intake, f"school-{number}", 1)
    asked, found = "?limit=2", list[str]()
    while True:
        page = (await intake.get(f"joint/reporters{asked}", office(intake))).json()
        found += [row["party"] for row in page["units"]]
        if page["next"] is None:
            break
        asked = f"?limit=2&after={page['next']}"
    assert found == [f"school-{number}" for number in range(5)]
    old = "?since=2026-01-01T00:00:00Z&until=2026-02-01T00:00:00Z"
    assert await units(intake, office(intake), old) == {}
    for query, rule in (("?since=2025-01-01T00:00:00Z&until=2026-11-01T00:00:00Z", "period"), ("?region=999999", "region-unknown")):
        refused = await intake.get(f"joint/reporters{query}", office(intake))
        assert (refused.status_code, refused.json()["errors"][0]["rule"]) == (422, rule)


async def test_an_office_names_who_owed_a_report_and_takes_it_back(intake: Intake) -> None:
    report, _ = await intake.filed()
    path = f"/intake/joint/reports/{report}/unreported"
    said = {"unit": "school-9", "reporter_kind": "school", "reason": "knew"}
    stranger, beside = intake.agency("police"), office(intake, "239902000000")
    assert (await intake.http.post(path, json=said, headers=stranger)).status_code == 403
    assert (await intake.http.post(path, json=said, headers=beside)).status_code == 404
    first, again = [await intake.http.post(path, json=said, headers=office(intake)) for _ in range(2)]
    assert (first.status_code, first.content, first.json()["unreported"]) == (200, again.content, [said])
    own = await intake.http.post(path, json=said | {"unit": "school-1"}, headers=office(intake))
    assert (own.status_code, own.json()["title"]) == (409, "reported-it")
    for wrong in ({"reason": "她"}, {"reporter_kind": "pub"}):
        assert (await intake.http.post(path, json=said | wrong, headers=office(intake))).status_code == 422
    (row,) = (await intake.get("joint/unreported", office(intake))).json()["reports"]
    assert (row["report"], row["by"], row["unreported"]) == (str(report), "school-1", [said])
    assert (await intake.get("joint/unreported", beside)).json()["reports"] == []
    assert (await intake.get("joint/unreported", intake.agency("police"))).status_code == 403
    await intake.http.post(path, json=said | {"reason": "withdrawn"}, headers=office(intake))
    assert (await intake.get("joint/unreported", intake.operator())).json()["reports"] == []
    assert [(e["party"], e["reason"], e["by"]) for e in await intake.events("report.missed")] == [
        ("school-9", "knew", "jc-county"), ("school-9", "withdrawn", "jc-county"),
    ]  # fmt: skip

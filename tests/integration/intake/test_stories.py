"""May an agency that works for a child read what every reporter said of it, and nobody else's?"""

from typing import Any
from uuid import UUID

from shared.contracts import stories
from shared.identifiers import case_id, derived_child_id
from tests.integration.intake.conftest import Intake, issued, opened
from tests.support import reports


def linked(report: UUID, code: str, story: UUID, number: int = 1) -> stories.CaseLinked:
    return stories.CaseLinked(
        report=report, code=code, case=case_id(report, number), child=derived_child_id(report, number), story=story, grade="red",
        reason="same_child",
    )  # fmt: skip


def unlinked(report: UUID, code: str, story: UUID) -> stories.CaseUnlinked:
    fields: dict[str, Any] = {"case": case_id(report, 1), "child": derived_child_id(report, 1)}
    return stories.CaseUnlinked(report=report, code=code, story=story, grade="red", reason="another_child", by="jc", **fields)


async def status(intake: Intake, report: UUID, department: str = "police") -> int:
    return (await intake.get(f"reports/{report}", intake.agency(department))).status_code


async def test_an_open_leg_in_one_report_of_a_child_is_the_right_to_read_the_others_until_they_are_unlinked(intake: Intake) -> None:
    (one, code), (other, second) = await intake.filed(), await intake.filed(reports.child(), reports.child(name="乙"))
    story = case_id(one, 1)
    await intake.hear(opened(one, code), issued(one, code, "police"), opened(other, second), opened(other, second, 2))
    assert (await status(intake, one), await status(intake, other)) == (200, 404)
    await intake.hear(linked(one, code, story), linked(other, second, story))
    assert (await status(intake, other), await status(intake, other, "civil_affairs")) == (200, 404)
    read = (await intake.events("report.read"))[-1]
    assert (read["report"], read["agency"], UUID(read["leg"]).bytes[:-1]) == (str(other), "police-county", story.bytes[:-1])
    await intake.hear(unlinked(other, second, story))
    assert (await status(intake, one), await status(intake, other)) == (200, 404)


async def test_of_a_report_with_several_children_only_the_linked_one_is_shown(intake: Intake) -> None:
    (one, code), (other, second) = await intake.filed(), await intake.filed(reports.child(), reports.child(name="乙"))
    story = case_id(one, 1)
    await intake.hear(opened(one, code), issued(one, code, "civil_affairs"), opened(other, second), opened(other, second, 2))
    await intake.hear(linked(one, code, story), linked(other, second, story, 2))
    shown = (await intake.get(f"reports/{other}", intake.agency("civil_affairs"))).json()
    assert [child["name"] for child in shown["children"]] == ["乙"]


async def test_a_covered_duty_is_a_right_and_tells_the_reporter_nothing_until_something_happens(intake: Intake) -> None:
    one, code = await intake.filed()
    leg = issued(one, code, "police")
    fields = {name: getattr(leg, name) for name in ("report", "code", "case", "leg", "agency", "department", "duty", "grade")}
    await intake.hear(opened(one, code), stories.LegCovered(**fields, covered_by=case_id(one, 1), at=leg.issued_at))
    assert await status(intake, one) == 200
    assert await intake.events("report.progressed") == []

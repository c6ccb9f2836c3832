"""Does what lies beyond a bound of the database, of a department or of one request get an answer of its own?"""

import pytest

from shared.contracts import referral
from shared.identifiers import uuid7
from tests.integration.intake.conftest import Intake, fact, issued, opened
from tests.support.reports import NAME, TEACHER, child


@pytest.fixture
def intake(intake: Intake) -> Intake:
    """With what the runtime tells the routes of operations."""
    state = intake.service.api.state
    state.pool, state.listeners, state.service = intake.pool, intake.service.listeners, intake.service
    return intake


@pytest.mark.parametrize("department", ["police", "joint_conference", "township"])
async def test_who_reads_by_a_leg_of_another_department_than_its_own_sees_codes_alone(intake: Intake, department: str) -> None:
    report, code = await intake.filed(child(), received_by=TEACHER)
    await intake.hear(opened(report, code), issued(report, code, "education"))
    answer = await intake.get(f"reports/{report}", intake.agency(department, "edu-county"))
    assert (answer.status_code, {"children", "facts", "reporter"} & set(answer.json())) == (200, set())
    assert [event["fields"] for event in await intake.events("report.read")] == [["situations", "groups"]]
    own = (await intake.get(f"reports/{report}", intake.agency("education"))).json()
    assert [shown["name"] for shown in own["children"]] == [NAME]


@pytest.mark.parametrize("path", ["reports/%00", "reports/a%00b/progress", "operator/parked/%00/release", "reports/x?a=%00"])
async def test_u0000_in_a_path_is_refused_by_the_parameter_s_name(intake: Intake, path: str) -> None:
    answer = await intake.http.request("POST" if "release" in path else "GET", f"/intake/{path}", headers=intake.operator())
    [fault] = answer.json()["errors"]
    assert (answer.status_code, fault["rule"]) == (422, "nul")
    assert fault["pointer"] in {"/report", "/stream", "/a"}


@pytest.mark.parametrize(("seq", "status"), [(2**63, 422), (0, 422), (2**63 - 1, 404), (1, 404)])
async def test_a_number_beyond_those_of_the_database_is_no_error_of_ours(intake: Intake, seq: int, status: int) -> None:
    shown = await intake.get(f"operator/parked/{seq}", intake.operator())
    thrown = await intake.http.post(f"/intake/operator/parked/{seq}/discard", headers=intake.operator(), json={"reason": "test"})
    assert (shown.status_code, thrown.status_code) == (status, status)


async def test_more_than_one_request_s_worth_of_parked_messages_is_told_as_what_is_left(intake: Intake) -> None:
    report, code = uuid7(), "ABCDEFGHJ"
    first = [issued(report, code, "police"), *(fact(referral.LegSeen, report, code, "police") for _ in range(519))]
    await intake.hear(*first)
    assert await intake.count("parked") == 520
    known, _ = await intake.filed()
    copied = "insert into report select (jsonb_populate_record(r, jsonb_build_object('id', $1::uuid, 'code', $2::text))).* from report r where id = $3"
    await intake.pool.execute(copied, report, code, known)
    answers = []
    for _ in range(2):
        answer = await intake.http.post(f"/intake/operator/parked/{report}/release", headers=intake.operator())
        answers.append((answer.status_code, answer.json()))
    assert answers == [
        (200, {"released": 500, "parked": 20, "stopped_by": None}),
        (200, {"released": 20, "parked": 0, "stopped_by": None}),
    ]

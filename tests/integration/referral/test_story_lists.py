"""Does an agency see which other cases tell of a child for which it works, and nobody else?"""

from uuid import UUID, uuid4

from services.referral import handlers
from shared.contracts.intake import ChildNamed, ReportAccepted
from shared.identifiers import case_id, uuid7
from shared.messages import Message
from tests.integration.referral.conftest import NOW
from tests.integration.referral.desk import Desk
from tests.support import county


async def opened(desk: Desk, child: UUID, kind: str) -> str:
    report = uuid7()
    named = ChildNamed(number=1, child=child, age=9, sex="female")
    event = ReportAccepted(
        report=report, code=report.hex[-9:], situations=("L1a",), groups=(), region=county.VILLAGE, reporter_kind=kind,
        seen_at=NOW, received_at=NOW, children=(named,),
    )  # fmt: skip
    key = case_id(report, 1)
    await desk.service.rooms[0].handle([Message(body=handlers.OpenCase(key, event, named), aggregate=key, id=str(key))])
    await settled(desk)
    return str(key)


async def settled(desk: Desk) -> None:
    assert desk.service.mailbox is not None
    while await desk.service.mailbox.take():
        pass


async def test_the_linked_cases_are_shown_to_whoever_holds_an_open_leg_of_the_story(desk: Desk) -> None:
    child = uuid4()
    school, hospital, other = (
        await opened(desk, child, "school"),
        await opened(desk, child, "hospital"),
        await opened(desk, uuid4(), "school"),
    )
    held = {leg["agency"] for leg in await desk.listed("operator", state="any") if leg["case"] == hospital}
    assert "edu-county" not in held, "education owes something by the school's report alone"
    for party in ("police-county", "edu-county"):
        (listed,) = [case for case in await desk.listed(party, "cases") if case["case"] == school]
        assert (listed["story"], [case["case"] for case in listed["linked"]]) == (school, [hospital])
    seen = (await desk.call("edu-county", "GET", f"cases/{hospital}")).json()
    assert (seen["legs"], [case["case"] for case in seen["linked"]]) == ([], [school])
    assert not {"child", "region"} & {*seen, *seen["linked"][0]}
    assert (await desk.call("police-city", "GET", f"cases/{hospital}")).status_code == 404
    assert (await desk.call("police-county", "GET", f"cases/{other}")).json()["linked"] == []


async def test_the_office_of_the_place_sees_every_leg_of_a_case_before_it_links_or_presses(desk: Desk) -> None:
    child = uuid4()
    school, hospital = await opened(desk, child, "school"), await opened(desk, child, "hospital")
    seen = (await desk.call("jc-county", "GET", f"cases/{school}")).json()
    whole = (await desk.call("operator", "GET", f"cases/{school}")).json()
    assert [leg["leg"] for leg in seen["legs"]] == [leg["leg"] for leg in whole["legs"]]
    assert len({leg["agency"] for leg in seen["legs"]}) > 1
    assert [case["case"] for case in seen["linked"]] == [hospital]
    assert not {"child", "region"} & {*seen, *seen["linked"][0]}


async def test_a_covered_leg_is_in_no_queue_and_is_found_by_its_state(desk: Desk) -> None:
    child = uuid4()
    school, hospital = await opened(desk, child, "school"), await opened(desk, child, "hospital")
    assert [leg["case"] for leg in await desk.listed("police-county")] == [school]
    (covered,) = await desk.listed("police-county", state="covered")
    (issued,) = await desk.listed("police-county")
    assert (covered["case"], covered["state"], covered["covered_by"]) == (hospital, "covered", issued["leg"])


async def test_the_office_of_the_place_unlinks_and_links_again_and_an_agency_does_not(desk: Desk) -> None:
    child = uuid4()
    school, hospital = await opened(desk, child, "school"), await opened(desk, child, "hospital")
    body = {"reason": "another_child"}
    assert (await desk.call("police-county", "POST", f"cases/{hospital}/unlink", json=body)).status_code == 403
    undone = await desk.call("jc-county", "POST", f"cases/{hospital}/unlink", json=body)
    assert (undone.status_code, undone.json()["story"]) == (200, None)
    await settled(desk)
    assert (await desk.call("edu-county", "GET", f"cases/{hospital}")).status_code == 404
    assert {leg["case"] for leg in await desk.listed("police-county")} == {school, hospital}
    again = await desk.call("operator", "POST", f"cases/{hospital}/link", json={"to": school, "reason": "same_child"})
    assert (again.status_code, again.json()["story"]) == (200, school)

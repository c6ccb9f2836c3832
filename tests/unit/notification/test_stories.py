"""Does an agency hear that another report counts as its leg, and that its clocks run otherwise?"""

from uuid import uuid4

import msgspec

from services.notification.domain import Notice
from shared.contracts.referral import Dues
from shared.contracts.stories import LegCovered, LegRescheduled
from tests.support import notices
from tests.support.notices import LEG_FACTS, NOW, endpoint, entries, hear, known, moment

AGENCY = "police-county"
FEED = known(endpoint(AGENCY, url=None, feed=True))


def test_of_another_report_of_the_child_the_agency_learns_which_leg_counts_for_it() -> None:
    by = uuid4()
    (data,) = entries(hear(LegCovered(**LEG_FACTS, covered_by=by, at=NOW), None, moment(FEED)))
    assert (data.about, data.party, data.covered_by, data.accepted_due, data.link) == ("leg.covered", AGENCY, by, None, None)


def test_of_clocks_that_run_otherwise_the_agency_learns_when_and_why_and_its_page_shows_them() -> None:
    notice: Notice = hear(notices.issued(), None, moment(FEED)).aggregate
    moved = LegRescheduled(**LEG_FACTS, why="raised", due=Dues(accepted=NOW), rules="r", calendar="c")
    urgent = msgspec.structs.replace(moved, grade="red")
    decision = hear(urgent, notice, moment(FEED), "event-2")
    (data,) = entries(decision)
    assert (data.about, data.reason, data.accepted_due, data.grade) == ("leg.rescheduled", "raised", NOW, "red")
    assert (decision.aggregate.accepted_due, decision.aggregate.grade) == (NOW, "red")

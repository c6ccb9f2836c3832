"""Who hears that a leg is to end, has ended or goes on, and does its notice end with it?"""

from typing import Any
from uuid import uuid4

import pytest

from services.notification.domain import Notice
from shared.contracts.moves import LegForwarded, LegVoided, LegWithdrawn, WithdrawalAsked, WithdrawalRefused
from tests.support import notices
from tests.support.notices import LEG_FACTS, NOW, endpoint, entries, hear, known, moment

AGENCY, OFFICE = "police-county", "jc-county"
FEED = known(endpoint(AGENCY, url=None, feed=True), endpoint(OFFICE, url=None, feed=True))
FACT: dict[str, Any] = {**LEG_FACTS, "at": NOW, "via": "http"}


def a_notice(reference: Any = FEED) -> Notice:
    notice: Notice = hear(notices.issued(), None, moment(reference)).aggregate
    return notice


@pytest.mark.parametrize(
    ("event", "about", "party", "state"),
    [
        (WithdrawalAsked(**LEG_FACTS, by=OFFICE, reason="duplicate", at=NOW), "withdrawal.asked", AGENCY, "open"),
        (WithdrawalRefused(**FACT, reason="duplicate", tell=OFFICE), "withdrawal.refused", OFFICE, "open"),
        (LegWithdrawn(**FACT, reason="duplicate", tell=OFFICE), "leg.withdrawn", OFFICE, "ended"),
        (LegVoided(**FACT, by=OFFICE, reason="duplicate"), "leg.voided", AGENCY, "ended"),
    ],
)
def test_each_side_hears_of_the_other(event: Any, about: str, party: str, state: str) -> None:
    decision = hear(event, a_notice(), moment(FEED), "event-2")
    (data,) = entries(decision)
    assert (data.about, data.party, data.reason, decision.aggregate.state) == (about, party, "duplicate", state)


@pytest.mark.parametrize(
    ("event", "state"),
    [
        (WithdrawalRefused(**FACT, reason="duplicate", tell=None), "open"),
        (LegWithdrawn(**FACT, reason="duplicate", tell=None), "ended"),
        (LegForwarded(**FACT, reason="other", to="police-city", replaced_by=uuid4()), "ended"),
    ],
)
def test_what_nobody_waits_for_tells_nobody(event: Any, state: str) -> None:
    decision = hear(event, a_notice(), moment(FEED), "event-2")
    assert (decision.events, decision.aggregate.state) == ((), state)


@pytest.mark.parametrize(
    "event",
    [
        LegWithdrawn(**FACT, reason="duplicate", tell=None),
        LegVoided(**FACT, by=OFFICE, reason="duplicate"),
        LegForwarded(**FACT, reason="other", to="police-city", replaced_by=uuid4()),
    ],
)
def test_what_still_waits_to_tell_of_the_leg_is_over_with_it(event: Any) -> None:
    unreachable = known(endpoint(OFFICE, url=None, feed=True))
    ended = hear(event, a_notice(unreachable), moment(unreachable), "event-2").aggregate
    assert "waiting" not in {str(d.state) for d in ended.deliveries.values() if d.about == "leg.issued"}

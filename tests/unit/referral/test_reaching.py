"""Is an agency that nothing reaches told apart from one that refuses, and does its superior hear of it at once?"""

from datetime import timedelta

import pytest

from services.referral import handlers
from services.referral.consumer import notice_undeliverable
from services.referral.domain.case import Case
from shared.contracts.moves import LegUndeliverable
from shared.contracts.notification import NoticeUndeliverable
from shared.contracts.referral import LegEscalated
from shared.identifiers import leg_id
from shared.messages import Decision
from tests.unit.referral.acting import CASE, HOUR, MINUTE, NOW, REPORT, a_case, a_leg, act, answer, deliver, kinds, sweep
from tests.unit.referral.test_handlers import standing


def lost(case: Case, after: timedelta = MINUTE, party: str = "police-county") -> Decision:
    return act(case, handlers.NoteUndeliverable(leg_id(CASE, 1), party, "status-500"), NOW + after)


def test_the_leg_stays_owed_has_its_own_word_and_the_superior_hears_at_once() -> None:
    decision = lost(a_case())
    said, rang = decision.events
    assert isinstance(said, LegUndeliverable)
    assert isinstance(rang, LegEscalated)
    assert (said.error, rang.to, rang.clock) == ("status-500", "police-city", "delivered")
    leg = decision.aggregate.legs[1]
    assert (leg.state, leg.ended, leg.told, leg.rung) == ("undeliverable", None, "police-city", 1)


def test_it_goes_on_up_the_ladder_and_rings_nobody_twice() -> None:
    swept = lost(a_case()).aggregate
    for hours in (1, 2):
        swept, _ = sweep(swept, NOW + hours * HOUR)
    assert swept.legs[1].told.split() == ["police-city", "jc-county", "jc-city"]


def test_a_clock_that_ran_out_before_is_overdue_first_and_within_the_gap_nobody_is_rung_again() -> None:
    assert kinds(lost(a_case(), 2 * MINUTE)) == ["leg.overdue", "leg.undeliverable", "leg.escalated"]
    rung, _ = sweep(a_case(), NOW + 2 * MINUTE)
    assert kinds(lost(rung, 3 * MINUTE)) == ["leg.undeliverable"]
    assert kinds(lost(rung, 12 * MINUTE))[-1] == "leg.escalated"


@pytest.mark.parametrize("state", ["delivered", "seen", "accepted", "active", "fulfilled", "declined"])
def test_what_has_reached_somebody_or_is_over_is_not_undeliverable(state: str) -> None:
    case = standing(state)
    assert (lost(case).aggregate, lost(case).events) == (case, ())


def test_another_party_s_trouble_and_the_same_news_again_change_nothing() -> None:
    case = a_case()
    assert lost(case, party="police-city").aggregate is case
    once = lost(case).aggregate
    assert (lost(once, HOUR).aggregate, lost(once, HOUR).events) == (once, ())


def test_an_answer_by_another_way_ends_it() -> None:
    once = lost(a_case()).aggregate
    assert answer(once, "accepted", NOW + HOUR).aggregate.legs[1].state == "accepted"
    assert deliver(once, NOW + HOUR).aggregate.legs[1].state == "delivered"


def test_a_leg_without_a_clock_for_it_climbs_all_the_same() -> None:
    assert kinds(lost(a_case(a_leg(delivered_due=None)))) == ["leg.undeliverable", "leg.escalated"]


@pytest.mark.parametrize(("about", "heard"), [("leg.issued", 1), ("leg.escalated", 0)])
def test_only_the_notice_of_the_leg_itself_counts(about: str, heard: int) -> None:
    leg = leg_id(CASE, 1)
    event = NoticeUndeliverable(
        concerns=str(CASE), notice=leg, party="police-county", about=about, report=REPORT, case=CASE, leg=leg, error="status-500"
    )
    assert len(notice_undeliverable(event, None)) == heard  # type: ignore[arg-type]

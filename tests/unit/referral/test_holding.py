"""What stands still while a leg is held, and what neither a pause nor an acceptance can silence?"""

from datetime import datetime, timedelta
from typing import Any

import msgspec
import pytest

from services.referral.auditor.recomputing import unfired
from services.referral.consumer import answer_of
from services.referral.domain.case import Case
from services.referral.domain.leg import Leg
from shared.contracts.moves import LegHeld, LegLapsed, LegResumed
from shared.contracts.referral import LegEscalated, LegOverdue
from shared.messages import Decision
from tests.unit.referral.acting import AROUND, HOUR, MINUTE, NOW, TICK, a_case, a_leg, answer, kinds, sweep
from tests.unit.referral.test_chain import forward, last, reply
from tests.unit.referral.test_handlers import body, standing

LATER = NOW + MINUTE
DAY = timedelta(days=1)


def hold(case: Case, until: datetime, now: datetime = LATER, **more: Any) -> Decision:
    return answer(case, "held", now, until=until, code=more.pop("code", "waiting_for_papers"), **more)


def accepted(**more: Any) -> Case:
    case: Case = answer(a_case(**more), "accepted", LATER).aggregate
    return case


def test_the_clock_stands_still_and_goes_on_by_itself() -> None:
    case = accepted()
    decision = hold(case, LATER + 3 * DAY)
    (event,) = decision.events
    assert isinstance(event, LegHeld)
    due = NOW + 8 * HOUR + 3 * DAY
    assert (event.reason, event.until, event.active_due, event.done_due) == ("waiting_for_papers", LATER + 3 * DAY, due, None)
    quiet, said = sweep(decision.aggregate, LATER + 3 * DAY - TICK)
    assert (said, quiet.legs[1].held_until, quiet.legs[1].missed) == ([], LATER + 3 * DAY, "")
    going, said = sweep(quiet, LATER + 3 * DAY)
    (resumed,) = said
    assert isinstance(resumed, LegResumed)
    assert (resumed.via, resumed.at, resumed.active_due) == ("time", LATER + 3 * DAY, due)
    assert (going.legs[1].held_until, going.legs[1].active_due) == (None, due)
    late, said = sweep(going, due)
    assert [type(event) for event in said[:2]] == [LegOverdue, LegLapsed]
    assert late.legs[1].state == "lapsed"


def test_a_sweep_that_is_late_resumes_and_misses_in_one() -> None:
    decision = hold(accepted(), LATER + DAY)
    leg = sweep(decision.aggregate, NOW + 3 * DAY)[0].legs[1]
    assert (leg.held_until, "active" in leg.missed.split(), leg.rung) == (None, True, 1)


def test_whoever_resumes_early_gets_back_only_what_was_used() -> None:
    held = hold(accepted(), LATER + 3 * DAY).aggregate
    decision = answer(held, "resumed", LATER + DAY)
    leg = decision.aggregate.legs[1]
    assert (kinds(decision), leg.held_until, leg.active_due) == (["leg.resumed"], None, NOW + 8 * HOUR + DAY)
    again = answer(decision.aggregate, "resumed", LATER + DAY)
    assert (again.response.status, body(again)["title"], body(again)["state"]) == (409, "not-held", "accepted")


def test_whoever_acts_holds_no_longer() -> None:
    decision = answer(hold(accepted(), LATER + 3 * DAY).aggregate, "active", LATER + DAY)
    leg = decision.aggregate.legs[1]
    assert (kinds(decision), leg.held_until, leg.state) == (["leg.resumed", "leg.active"], None, "active")
    assert leg.done_due is not None


def test_the_clock_done_stands_still_too_and_an_end_takes_the_pause_with_it() -> None:
    case = answer(a_case(), "active", LATER).aggregate
    done = case.legs[1].done_due
    assert done is not None
    held = hold(case, LATER + 3 * DAY).aggregate
    assert held.legs[1].done_due == done + 3 * DAY
    ended = answer(held, "fulfilled", LATER + DAY, code="other").aggregate
    leg = ended.legs[1]
    assert (leg.state, leg.held_until) == ("fulfilled", None)
    passed = forward(held, "police-city", now=LATER + DAY).aggregate
    assert (passed.legs[1].held_until, last(passed).done_due, last(passed).held_until) == (None, done + DAY, None)


def test_all_pauses_of_a_duty_lie_within_one_limit_which_forwarding_does_not_renew() -> None:
    case = accepted()
    most = LATER + timedelta(days=31)
    refused = hold(case, most + DAY)
    assert (refused.response.status, body(refused)["title"], kinds(refused)) == (409, "held-too-long", ["answer.refused"])
    whole = datetime.fromisoformat(body(refused)["until"])
    for by, status in zip(AROUND, (200, 200, 409), strict=True):
        assert hold(case, whole + by).response.status == status
    once = answer(hold(case, LATER + DAY).aggregate, "resumed", LATER + DAY).aggregate
    assert hold(once, whole + TICK, LATER + 2 * DAY).response.status == 409
    there = forward(once, "police-city", now=LATER + DAY).aggregate
    taken = answer(there, "accepted", LATER + DAY, leg=last(there)).aggregate
    assert [hold(taken, whole + by, LATER + DAY, leg=last(taken)).response.status for by in AROUND] == [200, 200, 409]


@pytest.mark.parametrize("until", [LATER, LATER - TICK, None])
def test_it_is_held_until_a_time_to_come(until: Any) -> None:
    assert hold(accepted(), until).response.status == 409


@pytest.mark.parametrize("state", ["issued", "delivered", "seen"])
def test_what_was_not_accepted_cannot_be_held(state: str) -> None:
    decision = hold(standing(state), LATER + DAY)
    assert (decision.response.status, body(decision)["title"], body(decision)["state"]) == (409, "not-accepted", state)


@pytest.mark.parametrize("state", ["fulfilled", "declined"])
def test_after_an_end_nothing_is_held(state: str) -> None:
    for word in ("held", "resumed"):
        decision = answer(standing(state), word, LATER, until=LATER + DAY, code="other")
        assert (decision.response.status, body(decision)["state"]) == (409, state)


def test_the_same_pause_again_is_the_same_and_another_is_refused() -> None:
    held = hold(accepted(), LATER + DAY).aggregate
    assert (hold(held, LATER + DAY).response.status, hold(held, LATER + DAY).events) == (200, ())
    assert body(hold(held, LATER + 2 * DAY))["title"] == "held-already"


def test_an_acceptance_without_action_lapses_and_its_ladder_rings() -> None:
    case = accepted()
    swept, said = sweep(case, NOW + 8 * HOUR)
    leg = swept.legs[1]
    assert (leg.state, leg.lapsed_at, leg.rung) == ("lapsed", NOW + 8 * HOUR, 1)
    assert [type(event) for event in said] == [LegOverdue, LegLapsed, LegEscalated]
    again = answer(swept, "accepted", NOW + 9 * HOUR)
    assert (again.response.status, again.events, body(again)["state"]) == (200, (), "lapsed")
    assert hold(swept, NOW + 3 * DAY, NOW + 9 * HOUR).response.status == 409
    up, said = sweep(swept, NOW + 9 * HOUR)
    assert (up.legs[1].rung, [getattr(event, "clock", "") for event in said]) == (2, ["active"])
    acting = answer(up, "active", NOW + 10 * HOUR).aggregate
    assert (acting.legs[1].state, acting.legs[1].rung_due) == ("active", None)


def test_with_it_the_officer_s_claim_is_over() -> None:
    leg = msgspec.structs.replace(accepted().legs[1], claimed_by="a", claimed_at=NOW)
    swept = sweep(a_case(leg), NOW + 8 * HOUR)[0].legs[1]
    assert (swept.claimed_by, swept.claimed_at) == (None, None)


def test_what_was_never_accepted_does_not_lapse() -> None:
    swept, said = sweep(a_case(), NOW + 8 * HOUR)
    assert (swept.legs[1].lapsed_at, any(isinstance(event, LegLapsed) for event in said)) == (None, False)


def test_the_auditor_knows_a_pause_and_its_end() -> None:
    leg: Leg = hold(accepted(), LATER + DAY).aggregate.legs[1]
    row = msgspec.structs.asdict(leg)
    assert unfired(row, LATER + DAY - TICK) == []
    assert [one.what for one in unfired(row, LATER + DAY)] == ["resume"]
    rung_missed = msgspec.structs.replace(
        answer(a_case(a_leg(missed="active", ladder_from=NOW)), "accepted", LATER).aggregate.legs[1], held_at=NOW,
        held_until=LATER + DAY, held_code="other",
    ).armed()  # fmt: skip
    assert (rung_missed.rung_due, unfired(msgspec.structs.asdict(rung_missed), LATER + HOUR)) == (None, [])


def test_by_topic_a_pause_needs_its_end_with_a_zone() -> None:
    said = answer_of(reply(answer="held", reason="court_pending", until=(NOW + DAY).isoformat())).body
    assert (said.answer, said.code, said.until) == ("held", "court_pending", NOW + DAY)
    for wrong in ({}, {"until": "2026-12-01T00:00:00"}):
        with pytest.raises(ValueError, match="until"):
            answer_of(reply(answer="held", reason="court_pending", **wrong))

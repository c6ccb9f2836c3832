"""Who may ask that a leg be let go, who says that it was an error, and what does its agency answer?"""

from typing import Any

import pytest

from services.referral import handlers
from services.referral.domain.case import Case
from shared.contracts.moves import LegVoided, LegWithdrawn, WithdrawalAsked, WithdrawalRefused
from shared.errors import NotFound
from shared.identifiers import leg_id
from shared.messages import Decision
from tests.unit.referral.acting import CASE, HOUR, MINUTE, NOW, a_case, a_leg, act, answer, kinds, sweep
from tests.unit.referral.test_chain import forward, last
from tests.unit.referral.test_handlers import body, standing

LATER = NOW + MINUTE
OFFICE, OPERATOR = "jc-county", "operator"


def ask(case: Case, by: str = OFFICE, number: int = 1, code: str = "duplicate") -> Decision:
    return act(case, handlers.AskWithdrawal(leg=leg_id(CASE, number), by=by, operator=by == OPERATOR, code=code), LATER)


def void(case: Case, by: str = OFFICE, number: int = 1) -> Decision:
    return act(case, handlers.VoidLeg(leg=leg_id(CASE, number), by=by, operator=by == OPERATOR, code="wrong_child"), LATER)


@pytest.mark.parametrize(("by", "tell"), [(OFFICE, OFFICE), ("jc-city", "jc-city"), (OPERATOR, None)])
def test_what_was_asked_ends_when_the_agency_confirms(by: str, tell: str | None) -> None:
    asked = ask(standing("accepted"), by)
    (event,) = asked.events
    assert isinstance(event, WithdrawalAsked)
    assert (event.by, event.reason, event.agency, asked.aggregate.legs[1].state) == (by, "duplicate", "police-county", "accepted")
    ended = answer(asked.aggregate, "withdrawn", LATER)
    (said,) = ended.events
    assert isinstance(said, LegWithdrawn)
    assert (said.reason, said.tell) == ("duplicate", tell)
    leg = ended.aggregate.legs[1]
    assert (leg.state, leg.end_code, ended.aggregate.legs[2].open) == ("withdrawn", "duplicate", True)
    again = answer(ended.aggregate, "withdrawn", LATER, leg=leg)
    assert (again.response.status, again.events) == (200, ())


def test_what_the_agency_keeps_goes_on_and_may_be_asked_for_again() -> None:
    kept = answer(ask(standing("accepted")).aggregate, "kept", LATER)
    (event,) = kept.events
    assert isinstance(event, WithdrawalRefused)
    assert (event.tell, kept.aggregate.legs[1]) == (OFFICE, standing("accepted").legs[1])
    assert kinds(ask(kept.aggregate)) == ["withdrawal.asked"]


def test_the_clocks_run_on_while_it_is_asked() -> None:
    swept, events = sweep(ask(a_case()).aggregate, NOW + HOUR)
    assert {"delivered", "seen"} <= set(swept.legs[1].missed.split())
    assert events


def test_the_first_who_asks_stands() -> None:
    asked = ask(standing("issued")).aggregate
    again = ask(asked, "jc-city", code="other")
    assert (again.response.status, again.aggregate, again.events) == (200, asked, ())


def test_whoever_forwarded_the_duty_may_ask_and_no_agency_before_whose_chain_it_is_not() -> None:
    moved = forward(a_case(), "police-city").aggregate
    assert kinds(ask(moved, "police-county", number=2)) == ["withdrawal.asked"]
    for nobody in ("civil-county", "edu-county"):
        with pytest.raises(NotFound):
            ask(moved, nobody, number=2)
    with pytest.raises(NotFound):
        void(moved, "police-county", number=2)


@pytest.mark.parametrize("word", ["withdrawn", "kept"])
@pytest.mark.parametrize("state", ["issued", "seen", "accepted", "active"])
def test_what_nobody_asked_for_cannot_be_answered(state: str, word: str) -> None:
    decision = answer(standing(state), word, LATER)
    assert (decision.response.status, body(decision)["title"], body(decision)["state"]) == (409, "not-asked", state)
    assert kinds(decision) == ["answer.refused"]


@pytest.mark.parametrize("step", [ask, void])
@pytest.mark.parametrize("state", ["fulfilled", "declined"])
def test_after_an_end_it_is_refused_with_the_state(step: Any, state: str) -> None:
    decision = step(standing(state))
    assert (decision.response.status, body(decision)["state"], kinds(decision)) == (409, state, ["answer.refused"])


@pytest.mark.parametrize("by", [OFFICE, OPERATOR])
@pytest.mark.parametrize("state", ["issued", "active"])
def test_a_leg_issued_in_error_is_void_at_once_and_only_once(by: str, state: str) -> None:
    decision = void(standing(state), by)
    (event,) = decision.events
    assert isinstance(event, LegVoided)
    assert (event.by, event.reason) == (by, "wrong_child")
    leg = decision.aggregate.legs[1]
    assert (leg.state, leg.end_code, leg.next_due()) == ("void", "wrong_child", None)
    again = void(decision.aggregate, by)
    assert (again.response.status, again.events) == (200, ())
    late = answer(decision.aggregate, "accepted", LATER, leg=leg)
    assert (late.response.status, body(late)["state"]) == (409, "void")


@pytest.mark.parametrize("step", [ask, void])
def test_an_office_neither_voids_nor_withdraws_what_it_owes_itself(step: Any) -> None:
    case = a_case(a_leg(agency=OFFICE))
    decision = step(case)
    assert (decision.response.status, body(decision)["title"]) == (409, "own-leg")
    assert step(case, "jc-city").response.status == 200


@pytest.mark.parametrize("step", [ask, void])
def test_an_office_of_another_place_finds_nothing(step: Any) -> None:
    with pytest.raises(NotFound):
        step(a_case(region="230102000000"), OFFICE)
    assert step(a_case(region="230102000000"), OPERATOR).response.status == 200


def test_when_the_last_leg_is_void_somebody_owes_the_case_or_it_closes() -> None:
    decision = void(a_case(a_leg(1)))
    assert decision.aggregate.closed_at is not None or last(decision.aggregate).open

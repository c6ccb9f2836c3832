"""What becomes of a case whose last leg has ended? It closes by its own rule, or the joint-conference office owes it."""

from typing import cast

from services.referral.domain import routing
from services.referral.domain.agency import keys_up
from services.referral.domain.case import Case
from services.referral.domain.completeness import complete
from services.referral.domain.issuing import issue, issued
from services.referral.domain.leg import Leg
from services.referral.domain.routing import Knowledge
from services.referral.domain.rules import Grade
from shared.contracts.envelope import Event
from shared.contracts.referral import CaseClosed
from shared.messages import DONE, Decision, Moment, Response


def closing(case: Case, events: tuple[Event, ...], at: Moment, response: Response = DONE) -> Decision:
    """Closes what is complete; what has no open leg and cannot close gets one: an open case is always owed by somebody."""
    if case.closed_at is not None or not case.all_ended:
        return Decision(aggregate=case, events=events, response=response)
    known: Knowledge = at.reference
    rule = known.rules[case.rules].completeness
    if rule is None or complete(rule, case):
        closed = CaseClosed(report=case.report, code=case.code, case=case.id, child=case.child)
        return Decision(aggregate=case.closed(at.now), events=(*events, closed), response=response)
    leg = review_leg(case, rule.review, known, at)
    return Decision(aggregate=case.with_legs(leg), events=(*events, issued(case, leg)), response=response)


def review_leg(case: Case, duty: str, known: Knowledge, at: Moment) -> Leg:
    """The office of the case's place looks at what nobody ended lawfully, by the clocks and the ladder of the case's grade."""
    rules, keys = known.rules[case.rules], keys_up(known.regions, case.region)
    held, grade = routing.joint_conference(known, case.region), cast("Grade", case.grade)
    owed = rules.held_by(rules.owed(duty, grade), grade, held.agency, frozenset(keys))
    return issue(case.id, case.next_number, owed, held, known.days_of(case), at.now)

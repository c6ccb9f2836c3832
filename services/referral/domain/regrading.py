"""How does a running case get other clocks: because it became more urgent, or because its rules were changed?"""

from datetime import datetime
from typing import Any, cast

import msgspec

from services.referral.domain.agency import keys_up
from services.referral.domain.case import Case
from services.referral.domain.doubts import scheduled
from services.referral.domain.issuing import about, dues_of, issue, terms_for
from services.referral.domain.leg import FACTS, Leg, terms_of
from services.referral.domain.routing import Holder, Knowledge
from services.referral.domain.rule_rows import GRADES, Facts
from services.referral.domain.rules import Duty, Grade, Plan, RuleSet, plan
from shared.calendar import Calendar
from shared.contracts.envelope import Event
from shared.contracts.stories import CaseRaised, LegRescheduled

_facts = msgspec.json.Decoder(Facts)


def stronger(one: str, other: str) -> bool:
    """Whether the first grade is more urgent."""
    return GRADES.index(cast("Grade", one)) < GRADES.index(cast("Grade", other))


def planned_again(case: Case, rules: RuleSet, known: Knowledge, at_least: str = "green") -> Plan | None:
    """What these rules say of the case; None for one from before it was kept what rules look at."""
    if not case.facts:
        return None
    facts = _facts.decode(case.facts)
    return plan(
        rules,
        situations=facts.situations,
        groups=facts.groups,
        age=facts.age,
        sex=facts.sex,
        reporter_kind=facts.reporter_kind,
        regions=frozenset(keys_up(known.regions, case.region)),
        at_least=cast("Grade", at_least),
    )


def own_grade(case: Case, known: Knowledge) -> str:
    """How urgent the case is by itself, whatever else is known of the child."""
    found = planned_again(case, known.rules[case.rules], known)
    return found.grade if found else case.grade


def duty_of(leg: Leg, case: Case, known: Knowledge) -> Duty:
    """What the agency of the leg owes by the rules and the grade that the case has now."""
    rules, grade = known.rules[case.rules], cast("Grade", case.grade)
    found = planned_again(case, rules, known, grade)
    own = [duty for duty in found.duties if duty.duty == leg.duty] if found else []
    plain = Duty(
        cast("Any", leg.department), leg.duty, rules.clocks[grade], rules.ladders[grade], ()
    )  # also one that the rules do not know
    return rules.held_by(own[0] if own else plain, grade, leg.agency, frozenset(keys_up(known.regions, case.region)))


def replacement(case: Case, leg: Leg, up: Holder, known: Knowledge, now: datetime) -> Leg:
    """The same duty at the next agency up, with the whole of its clocks from now: what was used of them, or paused, is nothing to it."""
    duty = duty_of(msgspec.structs.replace(leg, agency=up.agency), case, known)
    anew = issue(case.id, case.next_number, duty, up, known.days_of(case), now)
    return msgspec.structs.replace(anew, replaces=leg.id, department=leg.department)


def raised(case: Case, grade: str, known: Knowledge, now: datetime) -> tuple[Case, tuple[Event, ...]]:
    """The case as urgent as that, if it was less so. Its clocks run anew from now, and never end later than they would have."""
    if case.closed_at is not None or not stronger(grade, case.grade):
        return case, ()
    urgent = msgspec.structs.replace(case, grade=grade)
    calendar = known.days_of(urgent)
    legs = [_sooner(leg, duty_of(leg, urgent, known), calendar, now) for leg in running(urgent)]
    said = CaseRaised(report=case.report, code=case.code, case=case.id, child=case.child, grade=grade, before=case.grade)
    return urgent.with_legs(*legs), (said, *rescheduled(urgent, changed_legs(urgent, legs), "raised"))


def running(case: Case) -> list[Leg]:
    """The legs with clocks: open, and not covered by another case's."""
    return [leg for leg in case.legs.values() if leg.open and leg.covered_by is None]


def changed_legs(case: Case, legs: list[Leg]) -> list[Leg]:
    """Those with other clocks or another ladder than the case has for them."""
    return [leg for leg in legs if dues_of(leg) != dues_of(case.legs[leg.number]) or leg.terms != case.legs[leg.number].terms]


def rescheduled(case: Case, legs: list[Leg], why: str) -> tuple[Event, ...]:
    """What is said of each of these legs: its clocks, and what they rest on now."""
    return tuple(LegRescheduled(**about(case, leg), why=why, due=dues_of(leg), rules=case.rules, calendar=case.calendar) for leg in legs)


def _sooner(leg: Leg, duty: Duty, calendar: Calendar, now: datetime) -> Leg:
    clocks = {name: (now, getattr(duty.clocks, name).period) for name in awaited(leg)}
    return msgspec.structs.replace(scheduled(leg.parted(now), calendar, clocks, never_later=True), terms=laddered(leg, duty))


def awaited(leg: Leg) -> list[str]:
    """The clocks that still run, `done` once it does."""
    names = [*FACTS, "done"] if leg.active_at is not None else FACTS
    return [name for name in names if not leg.met(name) and name not in leg.missed.split()]


def laddered(leg: Leg, duty: Duty) -> bytes:
    """The terms of the duty; a ladder that has fewer rungs than have fired stays as it is, so that none fires twice."""
    terms = terms_for(duty.clocks, duty.ladder, duty.hours)
    if len(duty.ladder.rungs) >= leg.rung:
        return terms
    new, old = msgspec.json.decode(terms, type=type(terms_of(leg))), terms_of(leg)
    return msgspec.json.encode(msgspec.structs.replace(new, rungs=old.rungs, gap=old.gap))

"""What do the open cases of one child have to do with each other: which story, how urgent is the whole, who owes what already?"""

from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import cast
from uuid import UUID

import msgspec

from services.referral.domain.case import Case
from services.referral.domain.doubts import SURE
from services.referral.domain.issuing import about, issue
from services.referral.domain.leg import FACTS, Leg
from services.referral.domain.regrading import duty_of
from services.referral.domain.routing import Holder, Knowledge
from services.referral.domain.rule_rows import GRADES, Grade
from shared.contracts.stories import LegCovered


def open_in_one_story(cases: Iterable[Case]) -> tuple[Case, ...]:
    """Of cases that name the same child, those of the oldest one's story and those that stand alone by chance, oldest first."""
    found = sorted((case for case in cases if case.closed_at is None and not case.apart), key=lambda case: (case.opened_at, case.id))
    story = story_of(found)
    return tuple(case for case in found if case.story in (None, story))


def story_of(cases: Sequence[Case]) -> UUID | None:
    """The name of their story: the id of the first case. None where there is none."""
    return (cases[0].story or cases[0].id) if cases else None


def grade_of(grades: Iterable[str]) -> Grade:
    """The whole is as urgent as its most urgent part."""
    return min((cast("Grade", grade) for grade in grades), key=GRADES.index, default="green")


def owing(cases: Iterable[Case], agency: str, duty: str) -> Leg | None:
    """The open leg by which this agency owes this duty already."""
    legs = (leg for case in cases for leg in case.legs.values())
    return next((leg for leg in legs if leg.open and leg.covered_by is None and (leg.agency, leg.duty) == (agency, duty)), None)


def covered(leg: Leg, by: UUID) -> Leg:
    """The leg without clocks, and so without doubts of them, for as long as the other one is open."""
    return msgspec.structs.replace(leg, covered_by=by, doubts=SURE, **{f"{name}_due": None for name in FACTS})


def uncovered(leg: Leg, case: Case, known: Knowledge, now: datetime) -> Leg:
    """The leg issued after all: what its agency owes by the rules of the case, counted from now."""
    held = Holder(leg.agency, leg.unassigned)
    fresh = issue(case.id, leg.number, duty_of(leg, case, known), held, known.days_of(case), now)
    return msgspec.structs.replace(fresh, replaces=leg.replaces)


def said_covered(case: Case, leg: Leg, at: datetime) -> LegCovered:
    return LegCovered(**about(case, leg), covered_by=leg.covered_by or case.id, at=at)

"""How does a duty become a leg, and how is a leg spoken of in events?"""

from datetime import datetime, timedelta
from functools import lru_cache
from typing import Any
from uuid import UUID

import msgspec

from services.referral.domain.case import Case
from services.referral.domain.doubts import scheduled
from services.referral.domain.ladder import Hours
from services.referral.domain.leg import CLOCKS, FACTS, Leg, RungOf, Terms
from services.referral.domain.routing import Holder
from services.referral.domain.rules import Clocks, Duty, Ladder
from shared.calendar import Calendar, Period
from shared.contracts.envelope import Event
from shared.contracts.moves import LegLapsed
from shared.contracts.referral import Dues, LegIssued, LegOverdue
from shared.identifiers import leg_id

DAYS = ("days", "working_days", "months")
"""Such a period ends at 24:00, when no office is open."""


def issue(case: UUID, number: int, duty: Duty, held: Holder, calendar: Calendar, now: datetime) -> Leg:
    """A leg with its first four clocks running; `done` runs from active."""
    clocks = duty.clocks
    leg = Leg(
        id=leg_id(case, number),
        case_id=case,
        number=number,
        agency=held.agency,
        department=duty.department,
        duty=duty.duty,
        unassigned=held.unassigned,
        replaces=None,
        issued_at=now,
        terms=terms_for(clocks, duty.ladder, duty.hours),
    )
    return scheduled(leg, calendar, {name: (now, getattr(clocks, name).period) for name in FACTS})


@lru_cache(maxsize=1024)
def terms_for(clocks: Clocks, ladder: Ladder, hours: Hours | None) -> bytes:
    """The same for every leg of a rule: made once."""
    rungs = tuple(
        RungOf(rung.who, _seconds(rung.after), _seconds(rung.repeat.every), rung.repeat.times)
        if rung.repeat
        else RungOf(rung.who, _seconds(rung.after))
        for rung in ladder.rungs
    )
    days = tuple(name for name in CLOCKS if (period := getattr(clocks, name).period) and period.unit in DAYS)
    return msgspec.json.encode(
        Terms(clocks.done.period, rungs, _seconds(ladder.minimum_gap), days if hours else (), hours if days else None)
    )


def _seconds(period: Period) -> float:
    """A ladder is in seconds, minutes or hours: the rule file's check refuses days there."""
    return timedelta(**{period.unit: period.limit}).total_seconds()


def issued(case: Case, leg: Leg) -> LegIssued:
    return LegIssued(
        **about(case, leg), region=case.region, unassigned=leg.unassigned, replaces=leg.replaces, issued_at=leg.issued_at, due=dues_of(leg)
    )


def dues_of(leg: Leg) -> Dues:
    return Dues(delivered=leg.delivered_due, seen=leg.seen_due, accepted=leg.accepted_due, active=leg.active_due, done=leg.done_due)


def about(case: Case, leg: Leg) -> dict[str, Any]:
    return {
        "report": case.report,
        "code": case.code,
        "case": case.id,
        "leg": leg.id,
        "agency": leg.agency,
        "department": leg.department,
        "duty": leg.duty,
        "grade": case.grade,
    }


def overdue(case: Case, leg: Leg, at: datetime) -> tuple[Leg, tuple[Event, ...]]:
    """The leg with every clock that had run out by then as a fact, and what is said of each.

    An acceptance after which nothing came has lapsed with the clock `active`: the leg is nobody's in its agency's queue again.
    """
    missing = leg.missing_at(at)
    if not missing:
        return leg, ()
    first = leg.ladder_from or min(due for _, due in missing)
    missed = " ".join([*leg.missed.split(), *(clock for clock, _ in missing)])
    said: list[Event] = [LegOverdue(**about(case, leg), clock=clock, due=due) for clock, due in missing]
    moved = msgspec.structs.replace(leg, missed=missed, ladder_from=first)
    if leg.accepted_at is not None and leg.active_due is not None and any(clock == "active" for clock, _ in missing):
        moved = msgspec.structs.replace(moved, lapsed_at=at, claimed_by=None, claimed_at=None)
        said.append(LegLapsed(**about(case, leg), due=leg.active_due))
    return moved, tuple(said)


def successor(case: Case, leg: Leg, to: Holder, now: datetime, **known: Any) -> Leg:
    """A leg in place of this one: the same duty under the same terms, at somebody else; nothing has happened to it but what is `known`."""
    number = case.next_number
    return Leg(
        id=leg_id(case.id, number),
        case_id=case.id,
        number=number,
        agency=to.agency,
        department=leg.department,
        duty=leg.duty,
        unassigned=to.unassigned,
        replaces=leg.id,
        issued_at=now,
        terms=leg.terms,
        **known,
    )

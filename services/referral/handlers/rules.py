"""How does a running case come under other rules, or under a calendar that was published meanwhile? Never silently."""

import msgspec

from services.referral.domain.agency import keys_up
from services.referral.domain.case import Case
from services.referral.domain.chain import first_receipt
from services.referral.domain.doubts import SURE, cleared, scheduled
from services.referral.domain.leg import Leg
from services.referral.domain.regrading import (
    awaited,
    changed_legs,
    duty_of,
    laddered,
    planned_again,
    rescheduled,
    running,
    stronger,
)
from services.referral.domain.routing import Knowledge
from services.referral.domain.story import grade_of
from services.referral.handlers.dispatch import handle
from services.referral.handlers.stories import Ordered, joining, ordered
from shared.contracts.envelope import Event
from shared.contracts.stories import CaseLowered, CaseRaised, CaseRulesChanged
from shared.errors import Fault, RuleBroken
from shared.messages import Decision, Moment, Response


class MoveRules(Ordered, frozen=True, kw_only=True):
    """The case is to be under the rules with this hash from now on."""

    rules: str


@handle.register
def move_rules(body: MoveRules, case: Case | None, at: Moment) -> Decision:
    """Open clocks are counted again from when they began. No duty is added or taken away: whoever was told of one still owes it."""
    own, known, others = ordered(body, case, at.reference), at.reference, at.beside or ()
    if body.rules not in known.rules:
        fault = Fault("/rules", "rules-unknown", "The hash of rules that were in force here at some time.")
        raise RuleBroken("invalid", "Nothing was changed.", status=422, faults=(fault,))
    if own.rules == body.rules:
        return Decision(aggregate=own, response=_shown(own))
    if own.closed_at is not None:
        raise RuleBroken("not-open", "The case is closed: no clock of it runs.")
    again = planned_again(own, known.rules[body.rules], known, grade_of(other.grade for other in others))
    moved = msgspec.structs.replace(own, rules=body.rules, grade=again.grade if again else own.grade)
    legs = [_under(leg, moved, known) for leg in running(moved)]
    said = CaseRulesChanged(
        report=own.report, code=own.code, case=own.id, child=own.child, grade=moved.grade, rules_before=own.rules, rules=moved.rules,
        calendar=own.calendar, reason=body.reason, by=body.by,
    )  # fmt: skip
    events = (said, *_regraded(own, moved), *rescheduled(moved, changed_legs(moved, legs), "rules"))
    notes = joining(moved, others, "same_child", body.by, at) if moved.story is not None else ()
    whole = moved.with_legs(*legs)
    return Decision(aggregate=whole, events=(*events, *notes), response=_shown(whole))


def _under(leg: Leg, case: Case, known: Knowledge) -> Leg:
    duty, since = duty_of(leg, case, known), first_receipt(case, leg)
    starts = {name: leg.active_at or since if name == "done" else since for name in awaited(leg)}
    clocks = {name: (start, getattr(duty.clocks, name).period) for name, start in starts.items()}
    return msgspec.structs.replace(scheduled(leg, known.days_of(case), clocks), terms=laddered(leg, duty))


def _regraded(before: Case, after: Case) -> tuple[Event, ...]:
    if before.grade == after.grade:
        return ()
    kind = CaseRaised if stronger(after.grade, before.grade) else CaseLowered
    return (kind(report=after.report, code=after.code, case=after.id, child=after.child, grade=after.grade, before=before.grade),)


def republished(case: Case, known: Knowledge) -> tuple[Case, tuple[Event, ...]]:
    """The case with what was counted through a year that nobody had published then, counted by the calendar in force, and what is said of it."""
    if all(leg.doubts == SURE for leg in case.legs.values()):
        return case, ()
    days = known.calendar.local(keys_up(known.regions, case.region))
    legs = [after for leg in case.legs.values() if (after := cleared(leg, days)) is not leg]
    if not legs:
        return case, ()
    anew = msgspec.structs.replace(case, calendar=known.calendar.hash)
    return anew.with_legs(*legs), rescheduled(anew, legs, "calendar")


def _shown(case: Case) -> Response:
    return Response.json(200, {"case": case.id, "rules": case.rules, "calendar": case.calendar, "grade": case.grade})

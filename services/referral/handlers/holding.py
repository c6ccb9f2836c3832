"""How does an agency put a leg off that it has accepted, and take it up again?"""

from services.referral.domain.agency import keys_up
from services.referral.domain.case import Case
from services.referral.domain.holding import resume
from services.referral.domain.issuing import about
from services.referral.domain.leg import Leg
from services.referral.domain.routing import Knowledge
from services.referral.handlers.answers import TakeAnswer, shown
from services.referral.handlers.moves import move
from shared.contracts.moves import LegHeld
from shared.errors import RuleBroken
from shared.messages import Decision, Moment, Response

MOST = 100
"""Pauses of one duty: each makes its row longer."""


@move("held")
def hold(body: TakeAnswer, case: Case, leg: Leg, at: Moment) -> Decision:
    """Only what was accepted, and did not lapse: a pause is no way to silence the ladder. All pauses of a duty lie within one limit."""
    if leg.held_until is not None and (leg.held_until, leg.held_code) == (body.until, body.code):
        return Decision(aggregate=case, response=_shown(leg))
    if leg.held_until is not None:
        raise RuleBroken("held-already", "The leg is held: resume it first.", state=leg.state, until=leg.held_until)
    if leg.accepted_at is None or leg.state == "lapsed":
        raise RuleBroken("not-accepted", "Only a leg that was accepted, and whose acceptance stands, can be held.", state=leg.state)
    if len(leg.held) >= MOST:
        raise RuleBroken("held-too-often", f"This duty was held {MOST} times: go on with it, or decline it.", state=leg.state)
    known: Knowledge = at.reference
    limit = known.rules[case.rules].limit_in(keys_up(known.regions, case.region)).held
    begun = leg.stands_from(at.now)
    most = known.days_of(case).due(min([begun, *(since for since, _ in leg.held)]), limit).at
    if body.until is None or not at.now < body.until <= most:
        raise RuleBroken(
            "held-too-long", "It can be held until a time to come, and in all no longer than this.", state=leg.state, until=most
        )
    moved = leg.on_hold(begun, body.until, body.code or "other")
    event = LegHeld(
        **about(case, leg),
        at=at.received,
        via=body.via,
        claimed_at=body.claimed_at,
        reason=body.code or "other",
        until=body.until,
        active_due=moved.active_due,
        done_due=moved.done_due,
    )
    return Decision(aggregate=case.with_legs(moved), events=(event,), response=_shown(moved))


@move("resumed")
def take_up(body: TakeAnswer, case: Case, leg: Leg, at: Moment) -> Decision:
    if leg.held_until is None:
        raise RuleBroken("not-held", "The leg is not held.", state=leg.state)
    moved, said = resume(case, leg, at.received, body.via, body.claimed_at)
    return Decision(aggregate=case.with_legs(moved), events=said, response=_shown(moved))


def _shown(leg: Leg) -> Response:
    return shown(leg, held_until=leg.held_until)

"""How does an agency pass a duty on to another one, and back?"""

from services.referral.domain import routing
from services.referral.domain.agency import keys_up
from services.referral.domain.case import Case
from services.referral.domain.chain import forwards, onward, owed_at
from services.referral.domain.issuing import about, issued
from services.referral.domain.leg import Leg
from services.referral.domain.routing import Holder, Knowledge
from services.referral.handlers.answers import TakeAnswer, shown
from services.referral.handlers.moves import move
from shared.contracts.directory import JOINT_CONFERENCE
from shared.contracts.moves import LegForwarded
from shared.errors import RuleBroken
from shared.messages import Decision, Moment


@move("forwarded")
def forward(body: TakeAnswer, case: Case, leg: Leg, at: Moment) -> Decision:
    """The leg ends and its successor is issued in the same transaction: no moment in which nobody owes the duty."""
    known: Knowledge = at.reference
    to = _receiver(body, case, leg, known)
    most = known.rules[case.rules].limit_in(keys_up(known.regions, case.region)).forwards
    if forwards(case, leg) >= most:
        raise RuleBroken("forwarded-too-often", f"This duty was passed on {most} times already: answer it.", state=leg.state)
    if owed_at(case, leg.duty, to.agency):
        raise RuleBroken("owed-there-already", "That agency owes the same in this case already.", state=leg.state)
    code = body.code or "other"
    moved = leg.with_fact("accepted" if leg.accepted_at else "seen", at.received).with_end("forwarded", code, at.received)
    after = onward(case, moved, to, at.now)
    event = LegForwarded(
        **about(case, leg), at=at.received, via=body.via, claimed_at=body.claimed_at, reason=code, to=to.agency, replaced_by=after.id
    )
    return Decision(
        aggregate=case.with_legs(moved, after),
        events=(event, issued(case, after)),
        response=shown(moved, to=to.agency, replaced_by=after.id),
    )


def _receiver(body: TakeAnswer, case: Case, leg: Leg, known: Knowledge) -> Holder:
    """The agency that was named; else whoever has the duty in the place of the case, or stands above. No agency gets what its law does not give it."""
    if body.to is None:
        found = routing.holder(known, leg.department, case.region)
        return routing.next_up(known, leg, case.region) if found.agency == leg.agency else found
    entry = known.directory.get(body.to)
    if entry is None or not entry.active:
        raise RuleBroken("agency-unknown", "No such agency is active in the directory.", state=leg.state)
    if entry.agency == leg.agency:
        raise RuleBroken("forwarded-to-itself", "The agency has this leg already.", state=leg.state)
    if entry.department not in (leg.department, JOINT_CONFERENCE):
        raise RuleBroken("not-their-duty", "An agency of that department does not owe this duty.", state=leg.state)
    return Holder(entry.agency, unassigned=entry.department != leg.department)

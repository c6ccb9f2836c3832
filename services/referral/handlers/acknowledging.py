"""What does it change that a person has taken note of a rung? It is told no more; the next one comes all the same."""

from uuid import UUID

import msgspec

from services.referral.domain.case import Case
from services.referral.domain.issuing import about
from services.referral.domain.leg import Acknowledged, Leg, acknowledged_of
from services.referral.handlers.dispatch import handle
from shared.contracts.referral import LegAcknowledged
from shared.errors import NotFound
from shared.messages import Decision, Moment, Response


class AcknowledgeRung(msgspec.Struct, frozen=True, kw_only=True):
    """A person of an agency that a rung of this leg has told says so. `via`: http or link."""

    leg: UUID
    rung: int
    agency: str
    via: str


@handle.register
def acknowledge_rung(body: AcknowledgeRung, case: Case | None, at: Moment) -> Decision:
    """Only whom it has told: to anybody else the leg does not exist. Twice is the same; the first one stands."""
    leg = case.leg(body.leg) if case else None
    told = leg.told.split() if leg else []
    if case is None or leg is None or not 0 <= body.rung < len(told) or told[body.rung] != body.agency:
        raise NotFound
    if leg.acknowledged(body.rung):
        return Decision(aggregate=case, response=_shown(leg, body.rung))
    leg.must_be_open()
    known = (*acknowledged_of(leg), Acknowledged(body.rung, at.actor, at.received))
    moved = msgspec.structs.replace(leg, acks=msgspec.json.encode(known))
    event = LegAcknowledged(**about(case, leg), rung=body.rung, by=body.agency, via=body.via, at=at.received)
    return Decision(aggregate=case.with_legs(moved), events=(event,), response=_shown(moved, body.rung))


def _shown(leg: Leg, rung: int) -> Response:
    ack = next(ack for ack in acknowledged_of(leg) if ack.rung == rung)
    return Response.json(200, {"leg": leg.id, "case": leg.case_id, "rung": rung, "acknowledged": {"by": ack.by, "at": ack.at}})

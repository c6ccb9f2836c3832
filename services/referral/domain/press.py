"""When is an agency pressed (督办) on a leg, and what counts as its answer? A press is open until the office that made it closes it."""

from datetime import datetime
from typing import Literal

import msgspec

from services.referral.domain.leg import Leg

Reason = Literal["silent", "late", "no_progress", "reported_again", "risk_rising", "other"]
"""Why the office presses: a code, because words would carry personal values."""
PressAnswer = Literal["under_way", "done", "cannot", "not_ours"]
OWN_ENDS = ("fulfilled", "declined", "forwarded")
"""Ends that the agency itself made, so they answer a press; void and withdrawn are made by others."""
MOST = 20
"""Presses on one leg in all."""


class Press(msgspec.Struct, frozen=True, omit_defaults=True):
    """`by` is the code of the joint-conference office. `missed_at`: its due date passed without an answer; that is never unmade."""

    number: int
    by: str
    at: datetime
    due: datetime
    reason: str
    answer: str | None = None
    answered_at: datetime | None = None
    missed_at: datetime | None = None
    closed_at: datetime | None = None


_presses = msgspec.json.Decoder(tuple[Press, ...])


def presses_of(leg: Leg) -> tuple[Press, ...]:
    """In the order in which they were made."""
    return _presses.decode(leg.presses)


def current(leg: Leg) -> Press | None:
    """The press that nobody has closed; a leg has one at most."""
    return next((press for press in presses_of(leg) if press.closed_at is None), None) if leg.pressed_by is not None else None


def answered(press: Press, leg: Leg) -> Press:
    """The press with its answer, if the agency has given one since: to the press, or by what it said of the leg itself."""
    if press.answered_at is not None:
        return press
    own_end = leg.ended_at if leg.ended in OWN_ENDS else None
    said = (("accepted", leg.accepted_at), ("active", leg.active_at), (leg.ended or "", own_end))
    since = [(at, answer) for answer, at in said if at is not None and at >= press.at]
    if not since:
        return press
    at, answer = min(since)
    return msgspec.structs.replace(press, answer=answer, answered_at=at)


def having(leg: Leg, press: Press) -> Leg:
    """The leg with this press beside or in place of the one with its number. It is due while it waits for an answer and nobody was told that it has none."""
    known = {**{one.number: one for one in presses_of(leg)}, press.number: press}
    waits = press.closed_at is None and press.answered_at is None and press.missed_at is None
    return msgspec.structs.replace(
        leg,
        presses=msgspec.json.encode(tuple(known.values())),
        pressed_by=press.by if press.closed_at is None else None,
        press_due=press.due if waits else None,
    )

"""What do the cases of one story tell each other? Notes: each changes one case, in a transaction of its own, exactly once."""

from datetime import datetime
from uuid import UUID

import msgspec

from shared.identifiers import case_of
from shared.messages import Message, Note


class Joined(msgspec.Struct, frozen=True, kw_only=True, tag=True):
    """Another case was linked to this one: it belongs to the story too, and is at least as urgent. `by`: a person's office, None for the child's id."""

    case: UUID
    story: UUID
    grade: str
    reason: str
    by: str | None = None


class Lowered(msgspec.Struct, frozen=True, kw_only=True, tag=True):
    """A case has left the story, and the rest is only as urgent as this."""

    case: UUID
    story: UUID
    grade: str


class Covering(msgspec.Struct, frozen=True, kw_only=True, tag=True):
    """The leg covers `other`, the same duty of its agency in another case of the story."""

    story: UUID
    leg: UUID
    other: UUID


class CoverMoved(msgspec.Struct, frozen=True, kw_only=True, tag=True):
    """The leg `by`, which covers this one, has come on: `fact` is its furthest fact or its end. `heirs`: legs that this one covers from now on."""

    leg: UUID
    by: UUID
    fact: str
    at: datetime
    code: str = "other"
    heirs: tuple[UUID, ...] = ()


class Recovered(msgspec.Struct, frozen=True, kw_only=True, tag=True):
    """Not `before` covers the leg any more but `now`, which was issued in its stead."""

    leg: UUID
    before: UUID
    now: UUID


Body = Joined | Lowered | Covering | CoverMoved | Recovered


class Sealed(msgspec.Struct, frozen=True):
    """A note as it lies in the mailbox, with the trace of the act that wrote it."""

    body: Body
    traceparent: str


_sealed = msgspec.json.Decoder(Sealed)


def note(body: Body, traceparent: str) -> Note:
    return Note(msgspec.json.encode(Sealed(body, traceparent)))


def note_of(data: bytes) -> Message:
    """The message to the one case that the note concerns."""
    sealed = _sealed.decode(data)
    body = sealed.body
    to = body.case if isinstance(body, Joined | Lowered) else case_of(body.leg)
    return Message(body=body, aggregate=to, actor="referral", traceparent=sealed.traceparent)


def inherited(legs: tuple[UUID, ...], by: UUID, fact: str, at: datetime, code: str = "other") -> tuple[Body, ...]:
    """What the legs are told when the one that covers them has ended undone: the first is issued in its stead and covers the others."""
    if not legs:
        return ()
    first, rest = legs[0], legs[1:]
    return (
        CoverMoved(leg=first, by=by, fact=fact, at=at, code=code, heirs=rest),
        *(Recovered(leg=leg, before=by, now=first) for leg in rest),
    )

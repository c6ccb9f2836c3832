"""How does a party become reachable, and when is it no longer?"""

from functools import singledispatch
from typing import Any

import msgspec

from services.notification import domain
from services.notification.domain import Endpoint, Known
from shared.errors import RuleBroken
from shared.messages import Decision, Message, Moment, Response


def decide_endpoint(endpoint: Endpoint | None, message: Message, at: Moment) -> Decision:
    return change(message.body, endpoint, at)


def tick_endpoint(endpoint: Endpoint, at: Moment) -> Decision:
    """The rotation is over: only the new secret signs."""
    over = endpoint.previous_until is not None and endpoint.previous_until <= at.now
    return Decision(aggregate=endpoint.rotated() if over else endpoint)


@singledispatch
def change(body: Any, endpoint: Endpoint | None, at: Moment) -> Decision:
    raise TypeError(type(body).__name__)


class Configure(msgspec.Struct, frozen=True, kw_only=True):
    """How a party wants to be reached from now on. `secret` is made at the door and used if one is needed.

    `expected` is the version that the caller has seen, None when it believes that there is none.
    """

    party: str
    url: str | None
    feed: bool
    rotate: bool
    secret: str
    expected: int | None
    reporter: bool

    def __repr__(self) -> str:
        return f"Configure({self.party!r})"


@change.register
def configure(body: Configure, endpoint: Endpoint | None, at: Moment) -> Decision:
    """Creates or edits; the answer holds the secret exactly when it is new."""
    if body.reporter and body.party in _known(at).directory:
        raise RuleBroken("party-is-agency", "This code is an agency's; a reporter unit cannot register for it.", status=403)
    _must_match(endpoint, body.expected)
    old = endpoint or Endpoint(id=domain.endpoint_id(body.party), party=body.party, changed_at=at.now, trace=at.traceparent)
    signed = old.signed(body.secret, at.now, rotate=body.rotate) if body.url else msgspec.structs.replace(old.rotated(), secret=None)
    new = msgspec.structs.replace(signed, url=body.url, feed=body.feed, enabled=True)
    if new == endpoint:
        return Decision(aggregate=endpoint, response=Response.json(200, endpoint.shown()))
    answer = new.shown() | {"version": new.version + 1} | ({"secret": new.secret} if new.secret not in (None, old.secret) else {})
    return Decision(aggregate=new, events=(new.changed(),), response=Response.json(200 if endpoint else 201, answer))


def _must_match(endpoint: Endpoint | None, expected: int | None) -> None:
    if endpoint is not None and expected is None:
        raise RuleBroken("if-match-missing", "An endpoint exists. Read it, then send its ETag as If-Match.", status=428)
    if expected is not None and (endpoint is None or expected not in (endpoint.version, ANY_VERSION)):
        raise RuleBroken("if-match-failed", "The endpoint has changed since it was read. Read it again.", status=412)


ANY_VERSION = -1
"""What `If-Match: *` means."""


class EndpointGone(msgspec.Struct, frozen=True):
    """The receiver at this address has said 410: it wants nothing more."""

    url: str

    def __repr__(self) -> str:
        return "EndpointGone(...)"


@change.register
def disable(body: EndpointGone, endpoint: Endpoint | None, _at: Moment) -> Decision:
    """Only the address that said so; what is still to be told waits until the party registers again."""
    if endpoint is None or not endpoint.enabled or endpoint.url != body.url:
        return Decision(aggregate=endpoint)
    disabled = msgspec.structs.replace(endpoint, enabled=False)
    return Decision(aggregate=disabled, events=(disabled.changed(),))


def _known(at: Moment) -> Known:
    known: Known = at.reference
    return known

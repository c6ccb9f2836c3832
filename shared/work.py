"""What does a batch decide in memory, before it is written? One kind of aggregate, as it was loaded and as it became."""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

import msgspec
from opentelemetry.trace import Span

from shared import outbox, telemetry
from shared.errors import Problem
from shared.messages import Decision, Message, Moment, Response
from shared.parking import Parked

Beside = Callable[[Message, Mapping[UUID, Any]], Any]


class Kind(msgspec.Struct, frozen=True, kw_only=True):
    """One kind of aggregate. `load` locks in id order; `due` skips what is locked; `save` writes changed rows; the rest is pure.

    `beside`, asked before `load`: what else a decision must see, for each message and the aggregates as the batch has them by then.
    """

    name: str
    table: str
    load: Callable[[Any, list[UUID]], Awaitable[dict[UUID, Any]]]
    save: Callable[[Any, dict[UUID, Any], list[Any]], Awaitable[None]]
    decide: Callable[[Any, Message, Moment], Decision]
    due: Callable[[Any, int], Awaitable[dict[UUID, Any]]]
    tick: Callable[[Any, Moment], Decision]
    labels: Callable[[Any], dict[str, str]] = lambda _: {}
    beside: Callable[[Any, Sequence[Message]], Awaitable[Beside | None]] | None = None


class Work:
    """One transaction's work in memory."""

    def __init__(self, kind: Kind, loaded: Any, now: datetime, wall: datetime, reference: Any, beside: Beside | None = None) -> None:
        self.kind, self.loaded, self.now, self.wall, self.reference, self.beside = kind, loaded, now, wall, reference, beside
        self.current: dict[UUID, Any] = dict(loaded)
        self.events: list[outbox.Stamped] = []
        self.sends: list[Any] = []
        self.parked: list[Parked] = []
        self.answers: list[tuple[Message, Response]] = []
        self.spans: list[tuple[Span, Any, Any]] = []

    def moment(self, aggregate: Any, received: datetime | None, actor: str, span: Span) -> Moment:
        now = max(self.now, aggregate.changed_at) if aggregate is not None else self.now
        age = max(self.wall - received, timedelta(0)) if received is not None else timedelta(0)
        return Moment(now, now - age, self.reference, actor, telemetry.traceparent_of(span))

    def apply(self, message: Message) -> None:
        aggregate = self.current.get(message.aggregate)
        name, kind = (f"process {message.record.topic}", "consumer") if message.record else (f"apply {self.kind.name}", "internal")
        back = [aggregate.trace] if aggregate is not None else []  # a later act goes back to the one that made the aggregate
        span = telemetry.begin(name, kind, parent=message.traceparent, links=back)
        moment = self.moment(aggregate, message.received, message.actor, span)
        if self.beside is not None:
            moment = msgspec.structs.replace(moment, beside=self.beside(message, self.current))
        try:
            decision = self.kind.decide(aggregate, message, moment)
        except Problem as refusal:  # also not-found: an answer for its own caller, who shares the transaction with others
            if message.released:  # it stays parked where it is, in its order
                raise
            telemetry.fail(span, refusal.slug)
            if message.record is not None:
                self.parked.append(Parked(message, "rule", refusal.slug))
            self.answers.append((message, Response.of(refusal)))
            self.spans.append((span, aggregate, message.body))
            return
        self.take(message.aggregate, decision, moment, span, message.body)
        self.answers.append((message, decision.response))

    def take(self, key: UUID, decision: Decision, moment: Moment, span: Span, body: Any = None) -> None:
        new = decision.aggregate
        if new is not None and new is not self.current.get(key):
            new = msgspec.structs.replace(new, changed_at=moment.now)
            self.current[key] = new
        stamped = (outbox.stamp(e, actor=moment.actor, traceparent=moment.traceparent, at=moment.now) for e in decision.events)
        self.events.extend(stamped)
        self.sends.extend(decision.sends)
        self.spans.append((span, new, body))

    def changed(self) -> list[Any]:
        return [new for key, new in self.current.items() if new is not None and new is not self.loaded.get(key)]

    def finish(self) -> None:
        """Spans end after the commit: what was rolled back never happened."""
        for span, aggregate, body in self.spans:
            if span.is_recording():
                telemetry.label(span, {**(self.kind.labels(aggregate) if aggregate is not None else {}), **_named(body)})
                span.end()


def _named(body: Any) -> dict[str, str]:
    """What a message itself says of its report and case: it may meet no aggregate, or one with many cases."""
    found = {f"heli.{name}": getattr(body, name, None) for name in ("report", "case")}
    return {name: str(value) for name, value in found.items() if isinstance(value, UUID)}

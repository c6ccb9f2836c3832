"""How are records read from Kafka without losing one? Tolerantly, in batches, committed after the transaction."""

from collections.abc import Awaitable, Callable, Iterator, Mapping, Sequence
from datetime import UTC, datetime
from functools import partial
from typing import Any, TypeVar
from uuid import UUID

import msgspec
from aiokafka import ConsumerRecord
from fast_depends.library import CustomField
from faststream import AckPolicy
from faststream.kafka import KafkaBroker, KafkaRouter

from shared import logs
from shared.contracts import envelope
from shared.contracts.envelope import Event, Incoming
from shared.errors import Problem
from shared.fetching import Consumer
from shared.lanes import hand
from shared.messages import Message, Outgoing, Record
from shared.parking import Parked, unread
from shared.patience import patiently
from shared.room import Room, Settle
from shared.salvage import MARK

BATCH: dict[str, Any] = {
    "batch": True,
    "max_records": 1000,
    "batch_timeout_ms": 10,  # FastStream's loop sleeps this long once more after an empty poll
    "ack_policy": AckPolicy.NACK_ON_ERROR,  # the net below: our handlers wait out what is transient and raise nothing
    "no_reply": True,  # a stranger's `reply_to` header would make FastStream publish for him
    "auto_offset_reset": "earliest",
    "session_timeout_ms": 10000,
}
"""What every subscriber states. A guard walks the subscribers and fails on one that does not."""

AT_LEISURE: dict[str, Any] = {"batch_timeout_ms": 100, "fetch_max_wait_ms": 100, "fetch_min_bytes": 65536}
"""What one states beside that for whose effect nobody waits within a fifth of a second: fewer and bigger batches cost less."""


class Unreadable(msgspec.Struct, frozen=True):
    """A record that is no event: its bytes, and a slug that says why."""

    record: Record
    reason: str


class Read(msgspec.Struct, frozen=True):
    """A record that is an event."""

    record: Record
    incoming: Incoming


Batch = Sequence[Record]


class Given(CustomField):
    """Names what `app.build` has put into its broker's context for a handler, as FastStream's `Context` does.

    Trap: FastStream takes a `use` that is no coroutine function, as that of its own `Context`, to a thread: for each of them, for every batch.
    """

    def __init__(self, name: str) -> None:
        super().__init__(cast=False)
        self.name = name

    async def use(self, /, **kwargs: Any) -> dict[str, Any]:  # type: ignore[override]  # it is awaited, see above
        return {**kwargs, str(self.param_name): kwargs["context__"].get(self.name)}


class _Broker(KafkaBroker):
    """FastStream's, with our own consumer in it."""

    async def _connect(self) -> Any:
        await super()._connect()
        config: Any = self.config.broker_config
        config.builder = partial(Consumer, **config.builder.keywords)
        return config.builder


def build(bootstrap: str) -> KafkaBroker:
    """A broker that only consumes: events leave through the outbox. No log of records, no topic made by accident."""
    return _Broker(
        bootstrap,
        logger=None,
        allow_auto_create_topics=False,
        parser=_parse,
        decoder=_decode,
        graceful_timeout=20,
        metadata_max_age_ms=10000,  # how soon the replies topic of a new agency is heard
    )


LAST_MS = 253402300799000
"""The end of the year 9999. Who writes a record chooses its time, and Python and PostgreSQL know no other years."""


def record_of(raw: ConsumerRecord[Any, Any]) -> Record:
    time = datetime.fromtimestamp(min(max(raw.timestamp, 0), LAST_MS) / 1000, UTC)
    return Record(raw.topic, raw.partition, raw.offset, raw.key, raw.value, tuple(raw.headers), time)


async def _parse(batch: tuple[ConsumerRecord[Any, Any], ...], original: Callable[[Any], Awaitable[Any]]) -> Any:
    """FastStream's parser gives up on one null or non-UTF-8 header, skips the whole batch and commits past it: it sees none.

    It is shown the place of the first record alone, because copying each would cost as much as reading it.
    """
    bare = ConsumerRecord(**{**_fields(batch[0]), "headers": (), "value": b""})
    message = await original((bare,))
    message.raw_message = batch
    return message


def _fields(raw: Any) -> dict[str, Any]:
    return {name: getattr(raw, name) for name in raw.__dataclass_fields__}


async def _decode(message: Any, _original: Any) -> list[Record]:
    """Nothing is read yet: who listens knows which records it wants."""
    return [record_of(raw) for raw in message.raw_message]


def read(record: Record) -> Read | Unreadable:
    """Each record by itself: a bad one takes nobody with it."""
    if record.headers and record.headers[0][0] == MARK:
        return Unreadable(record, "unfetchable")
    try:
        return Read(record, envelope.read(record.headers, record.value))
    except ValueError as reason:
        return Unreadable(record, str(reason))


Handler = TypeVar("Handler", bound=Callable[..., Any])


def subscriber(
    router: KafkaRouter, service: str, topic: str, *, pattern: bool = False, at_leisure: bool = False
) -> Callable[[Handler], Handler]:
    """Subscribes a handler to a topic (or a pattern of topics) with everything of `BATCH`, in the group `<service>.<topic>`."""
    where: dict[str, Any] = {"pattern": topic} if pattern else {}
    names = () if pattern else (topic,)
    stated = {**BATCH, **(AT_LEISURE if at_leisure else {})}
    decorator: Callable[[Handler], Handler] = router.subscriber(*names, group_id=f"{service}.{topic}", **where, **stated)
    return decorator


Split = Callable[[Any, Read], Sequence[Message]]
OURS = b"heli."
"""Types that begin so are our own services': one that nobody here handles is for others. Any other must be an event at all."""


class Route(msgspec.Struct, frozen=True):
    """Which messages an event means. One event that concerns several aggregates is split here.

    `names`: the field that holds the id of the aggregate, so that an event which breaks its contract is parked where those
    behind it look. Without one its subject names it.
    """

    event: type[Event]
    room: Room
    split: Split
    names: str = ""


class Listener:
    """Turns batches of one topic into messages, and hands each room its share in order.

    Types of ours that nobody here handles are dropped by their header, before anything is decoded and without an inbox row.
    """

    def __init__(self, service: str, topic: str, routes: Sequence[Route], rescue: Room) -> None:
        self.group, self.topic, self.rescue = f"{service}.{topic}", topic, rescue
        self.routes: Mapping[str, list[Route]] = {}
        for route in routes:
            self.routes = {**self.routes, route.event.type_: [*self.routes.get(route.event.type_, []), route]}
        self._decoders = {route.event: msgspec.json.Decoder(route.event) for route in routes}
        self.types = {route.event.type_.encode() for route in routes}

    async def __call__(self, batch: Batch) -> None:
        await patiently(self.group, lambda: self.apply(batch))

    async def apply(self, batch: Batch) -> None:
        shares: dict[int, tuple[Room, list[Message]]] = {}
        dead: list[Unreadable] = []
        for item in self._wanted(batch, dead):
            for route in self.routes.get(item.incoming.type, ()):
                try:
                    messages = self._messages(route, item)
                except (ValueError, RecursionError):
                    if reason := envelope.fault(item.incoming.data):
                        dead.append(Unreadable(item.record, reason))
                        break
                    await self._bury(dead)
                    dead.clear()
                    await _hand_over(shares)  # what came before it must not wait behind it
                    await route.room.park([_contract(item, route)])
                else:
                    shares.setdefault(id(route.room), (route.room, []))[1].extend(messages)
        await self._bury(dead)
        await _hand_over(shares)

    def _wanted(self, batch: Batch, dead: list[Unreadable]) -> Iterator[Read]:
        for record in batch:
            named = envelope.named_type(record.headers)
            if named in self.types or named is None or not named.startswith(OURS):
                item = read(record)
                if type(item) is Read and named not in self.types and (reason := envelope.fault(item.incoming.data)):
                    item = Unreadable(record, reason)
                if type(item) is Unreadable:
                    dead.append(item)
                elif type(item) is Read and named in self.types:
                    yield item

    async def release(self, record: Record, consumer: str, message: str, settle: Settle) -> None:
        """Applies a parked message again, in one transaction with its leaving the parking lot. Raises Problem when it is refused again."""
        item = read(record)
        if isinstance(item, Unreadable):
            raise Problem(422, "unreadable", "The parked record cannot be read as an event.")
        for route in self.routes.get(item.incoming.type, ()):
            if route.room.kind.name == consumer:
                try:
                    again = [m for m in self._messages(route, item) if message in (m.id, item.incoming.id)]
                except ValueError as reason:  # msgspec's ValidationError is one
                    raise Problem(422, "contract", "The parked record still breaks its contract.") from reason
                if again:
                    await route.room.handle([msgspec.structs.replace(m, released=True) for m in again], settle)
                    return
        raise Problem(422, "no-listener", "Nothing here listens to this record any more: look at it, then discard it with a reason.")

    def _messages(self, route: Route, item: Read) -> list[Message]:
        event = self._decoders[route.event].decode(item.incoming.data)
        return [
            msgspec.structs.replace(
                message,
                id=f"{item.incoming.id}/{message.id}" if message.id else item.incoming.id,
                source=item.record.topic,
                actor=message.actor or item.incoming.source,
                traceparent=item.incoming.traceparent,
                received=message.received,
                record=item.record,
            )
            for message in route.split(event, item)
        ]

    async def _bury(self, dead: Sequence[Unreadable]) -> None:
        """To `<topic>.dlt`, key, value and headers byte-identical, through the outbox like everything."""
        if dead:
            for item in dead:
                r = item.record
                logs.get("consumer").error("record.unreadable", topic=r.topic, partition=r.partition, offset=r.offset, reason=item.reason)
            places = {f"{i.record.topic}/{i.record.partition}/{i.record.offset}": dead_letter(i, self.group) for i in dead}
            await self.rescue.bury(self.group, places)


async def _hand_over(shares: dict[int, tuple[Room, list[Message]]]) -> None:
    for room, messages in shares.values():
        await hand(room, messages)
    shares.clear()


def _contract(item: Read, route: Route) -> Parked:
    return unread(item.record, item.incoming.id, _named(item, route.names) or item.incoming.subject or item.incoming.id)


def _named(item: Read, field: str) -> str:
    """The id in one field of an event that is not what it should be; empty where none can be made out."""
    try:
        raw = msgspec.json.decode(item.incoming.data, type=dict[str, msgspec.Raw]).get(field)
        return str(msgspec.json.decode(raw, type=UUID)) if raw is not None else ""
    except (msgspec.MsgspecError, ValueError, RecursionError):
        return ""


def dead_letter(item: Unreadable, group: str) -> Outgoing:
    record = item.record
    extra = {
        "x-dlt-topic": record.topic,
        "x-dlt-partition": str(record.partition),
        "x-dlt-offset": str(record.offset),
        "x-dlt-group": group,
        "x-dlt-disposition": "malformed",
        "x-dlt-error": item.reason,
    }
    headers = (*record.headers, *((name, value.encode()) for name, value in extra.items()))
    return Outgoing(topic=f"{record.topic}.dlt", key=record.key, value=record.value, headers=headers)

"""How does the auditor say what it found, when the service that it watches may be standing still? By a producer and a client of its own."""

from datetime import UTC, datetime
from uuid import UUID, uuid4

import httpx
from aiokafka import AIOKafkaProducer

from services.referral.auditor.recomputing import Unfired
from shared.contracts import envelope
from shared.contracts.envelope import Event
from shared.contracts.operations import DeadlinesRecovered, DeadlinesStalled

STREAM, CONSUMER = "referral.deadlines", "referral.auditor"
SEND_MS = 8_000
BEAT_SECONDS = 10


def stalled(confirmed: tuple[Unfired, ...], at: datetime) -> DeadlinesStalled:
    """`confirmed` has its oldest first."""
    oldest, legs = confirmed[0], len({one.leg for one in confirmed})
    return DeadlinesStalled(stream=STREAM, consumer=CONSUMER, reason="unfired", since=oldest.due, at=at, legs=legs, leg=oldest.leg)


def recovered(since: datetime, at: datetime) -> DeadlinesRecovered:
    return DeadlinesRecovered(stream=STREAM, consumer=CONSUMER, reason="unfired", since=since, at=at)


async def publish(bootstrap: str, event: Event, key: UUID | None = None) -> None:
    """Returns when the broker has acknowledged. Its own producer, for this one record: the relay may be what stands still."""
    producer = AIOKafkaProducer(bootstrap_servers=bootstrap, acks="all", enable_idempotence=True, request_timeout_ms=SEND_MS)
    try:
        await producer.start()
        headers = envelope.headers_of(event, id=key or uuid4(), at=datetime.now(UTC), traceparent="")
        await producer.send_and_wait(event.topic, envelope.encode(event), key=event.key.encode(), headers=headers)
    finally:
        await producer.stop()


async def beat(url: str) -> int:
    """Tells whoever waits outside that all is well; the status of the answer."""
    async with httpx.AsyncClient(timeout=BEAT_SECONDS, trust_env=False) as http:
        return (await http.get(url)).status_code

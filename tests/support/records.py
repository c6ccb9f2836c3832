"""How does an event arrive at a listener, when a test hands it over without Kafka?"""

from datetime import UTC, datetime

from shared.contracts import envelope
from shared.contracts.envelope import Event
from shared.identifiers import uuid7
from shared.messages import Record


def arrived(event: Event, offset: int = 0) -> Record:
    """A record of its topic, written now under a fresh id."""
    now = datetime.now(UTC)
    headers = tuple(envelope.headers_of(event, id=uuid7(), at=now, traceparent=""))
    return Record(event.topic, 0, offset, event.key.encode(), envelope.encode(event), headers, now)

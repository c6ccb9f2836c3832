"""How is a party reached, and with which secrets is it signed for?"""

from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

import msgspec

from services.notification.domain.notice import Channel
from shared.contracts.notification import EndpointChanged, feed_topic
from shared.identifiers import named

ROTATION = timedelta(hours=24)
"""For so long after a rotation both secrets sign, so that the receiver may change its own at any moment of it."""
_ENDPOINTS = UUID("8d0c41c5-6f0f-4a5e-9a4e-3f0b6a1d6c03")


class Endpoint(msgspec.Struct, frozen=True, kw_only=True):
    """One party's webhook, own topic, both or neither. `enabled` is about the webhook: false after it said 410 Gone."""

    id: UUID
    party: str
    url: str | None = None
    secret: str | None = None
    previous: str | None = None
    previous_until: datetime | None = None
    feed: bool = False
    enabled: bool = True
    changed_at: datetime
    version: int = 0
    trace: str = ""

    def __repr__(self) -> str:
        """Show neither address nor secret: both would reach a log by way of a traceback."""
        return f"Endpoint({self.party!r}, version={self.version})"

    @property
    def next_due(self) -> datetime | None:
        return self.previous_until

    @property
    def webhook(self) -> bool:
        return self.url is not None and self.enabled

    @property
    def channels(self) -> tuple[Channel, ...]:
        return (Channel.WEBHOOK,) * self.webhook + (Channel.TOPIC,) * self.feed

    @property
    def secrets(self) -> tuple[str, ...]:
        return tuple(secret for secret in (self.secret, self.previous) if secret is not None)

    def signed(self, secret: str, now: datetime, *, rotate: bool) -> "Endpoint":
        """With a first secret, or with a new one beside which the old one signs for a day."""
        if self.secret is None:
            return msgspec.structs.replace(self, secret=secret)
        if rotate:
            return msgspec.structs.replace(self, secret=secret, previous=self.secret, previous_until=now + ROTATION)
        return self

    def rotated(self) -> "Endpoint":
        """Only the newest secret signs."""
        return msgspec.structs.replace(self, previous=None, previous_until=None)

    def shown(self) -> dict[str, Any]:
        """What a party or an operator may see: never a secret."""
        return {
            "party": self.party,
            "webhook": {"url": self.url, "enabled": self.enabled} if self.url else None,
            "feed": feed_topic(self.party) if self.feed else None,
            "old_secret_until": self.previous_until,
            "version": self.version,
        }

    def changed(self) -> EndpointChanged:
        return EndpointChanged(party=self.party, webhook=self.url is not None, feed=self.feed, enabled=self.enabled)


def endpoint_id(party: str) -> UUID:
    return named(_ENDPOINTS, party)

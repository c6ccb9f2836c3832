"""What does a one-tap link say, and who can have written it? One leg, one contact point, a short life; signed, nothing stored."""

import hashlib
from datetime import datetime, timedelta
from uuid import UUID

import msgspec
from itsdangerous import BadData, URLSafeSerializer

LIFE = timedelta(hours=72)
_SALT = "heli.onetap.v1"


class LinkClaim(msgspec.Struct, frozen=True):
    """What a right link says: this party may answer for this leg."""

    leg: UUID
    party: str


class Links:
    """Makes and reads links. The same leg, party and moment give the same link, so that a retry decides the same."""

    def __init__(self, public_url: str, key: str) -> None:
        self._prefix = f"{public_url}/notification/links/"
        self._signer = URLSafeSerializer(key, salt=_SALT, signer_kwargs={"digest_method": hashlib.sha256})

    def link(self, leg: UUID, party: str, now: datetime) -> str:
        return self._prefix + self.token(leg, party, now)

    def token(self, leg: UUID, party: str, now: datetime) -> str:
        text = self._signer.dumps([leg.hex, party, int((now + LIFE).timestamp())])
        return text if isinstance(text, str) else text.decode()

    def read(self, token: str, now: datetime) -> LinkClaim | None:
        """None for whatever we did not sign, or whose time is over."""
        try:
            leg, party, expires = self._signer.loads(token)
        except (BadData, ValueError, TypeError):
            return None
        return LinkClaim(UUID(leg), party) if now.timestamp() < expires else None

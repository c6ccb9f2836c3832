"""Who calls? A bearer JWT, verified against one JWKS file that also lists what was revoked, read again within 5 seconds."""

import json
import time
from pathlib import Path
from typing import Any

import jwt
import msgspec
from fastapi import Request

from shared.errors import Problem

REREAD_SECONDS = 2.0
KINDS = ("agency", "reporter", "operator")


class Caller(msgspec.Struct, frozen=True):
    """Claims of a token. `party` is the code of an agency or reporter unit; `token` the token's id, for revocation and audit."""

    party: str
    kind: str
    role: str
    token: str
    region: str = ""
    department: str = ""
    reporter_kind: str = ""


MOST_VERIFIED = 4096
"""Tokens whose signature is remembered until the keys are read again."""


class Keys:
    """The keys and revoked token ids of one JWKS file. A file that cannot be read refuses everybody rather than nobody."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._read = float("-inf")
        self._keys: dict[str, jwt.PyJWK] = {}
        self._revoked: frozenset[str] = frozenset()
        self._verified: dict[str, dict[str, Any]] = {}  # claims by token: checking a signature costs as much as the rest of a request

    def _refresh(self) -> None:
        if time.monotonic() - self._read < REREAD_SECONDS:
            return
        self._verified = {}
        try:
            document = json.loads(self.path.read_bytes())
            self._keys = {key["kid"]: jwt.PyJWK(key) for key in document["keys"]}
            self._revoked = frozenset(document.get("revoked", ()))
        except (OSError, ValueError, KeyError, jwt.PyJWTError):
            self._keys = {}
        self._read = time.monotonic()

    def caller(self, token: str) -> Caller:
        """Raises Problem 401 for a token that is malformed, expired, revoked or not ours."""
        self._refresh()
        try:
            claims = self._claims(token)
        except (jwt.PyJWTError, KeyError, ValueError) as reason:
            raise _unauthenticated() from reason
        if claims["jti"] in self._revoked or claims.get("kind") not in KINDS:
            raise _unauthenticated()
        return Caller(
            party=claims["sub"],
            kind=claims["kind"],
            role=claims.get("role", ""),
            token=claims["jti"],
            region=claims.get("region", ""),
            department=claims.get("department", ""),
            reporter_kind=claims.get("reporter_kind", ""),
        )

    def _claims(self, token: str) -> dict[str, Any]:
        known = self._verified.get(token)
        if known is not None and time.time() < int(known["exp"]):
            return known
        key = self._keys[jwt.get_unverified_header(token).get("kid", "")]
        claims: dict[str, Any] = jwt.decode(
            token, key, algorithms=["EdDSA"], issuer="heli", options={"require": ["exp", "iat", "sub", "jti", "iss"]}
        )
        if len(self._verified) < MOST_VERIFIED:
            self._verified[token] = claims
        return claims


class Allow:
    """States who may call a route; a route without one fails the guard. `Allow()` opens a route to everybody, on purpose."""

    def __init__(self, *kinds: str) -> None:
        self.kinds = kinds

    async def __call__(self, request: Request) -> Caller | None:
        if not self.kinds:
            return None
        scheme, _, token = request.headers.get("authorization", "").partition(" ")
        if scheme.lower() != "bearer" or not token:
            raise _unauthenticated()
        caller: Caller = request.app.state.keys.caller(token.strip())
        if caller.kind not in self.kinds:
            raise Problem(403, "not-for-you", f"This route is for: {', '.join(self.kinds)}.")
        return caller


def _unauthenticated() -> Problem:
    return Problem(
        401,
        "unauthenticated",
        "Send 'Authorization: Bearer <token>' with a token that is neither expired nor revoked. An operator issues one with `heli key add`.",
        headers={"WWW-Authenticate": "Bearer"},
    )

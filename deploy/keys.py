"""Who may call Heli, and until when? Bearer tokens for systems: issued, published as a JWKS file, revoked."""

import base64
import hashlib
import json
import os
import secrets
import tempfile
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import jwt
import msgspec
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

ISSUER = "heli"
ALGORITHM = "EdDSA"
DAYS = 365
REGION_DIGITS = 12
KINDS = ("agency", "reporter", "operator")
DEPARTMENTS = (
    "police",
    "civil_affairs",
    "education",
    "township",
    "village",
    "health",
    "disabled_federation",
    "women_federation",
    "justice",
    "procuratorate",
    "court",
    "joint_conference",
    "operations",
)
REPORTER_KINDS = (
    "school",
    "kindergarten",
    "hospital",
    "village_committee",
    "social_work",
    "rescue_station",
    "welfare_home",
    "other",
)


class Claims(msgspec.Struct, frozen=True, kw_only=True):
    """What a token says about its holder. `party` is an agency code or a reporter unit code; `region` has 12 digits."""

    kind: str
    party: str
    region: str
    role: str = "system"
    department: str | None = None
    reporter_kind: str | None = None
    days: float = DAYS

    def __post_init__(self) -> None:
        if self.kind not in KINDS:
            raise ValueError(f"kind {self.kind!r} is none of: {', '.join(KINDS)}")
        if not self.party:
            raise ValueError("party is empty: give the agency's or the reporter unit's code")
        if not (len(self.region) == REGION_DIGITS and self.region.isascii() and self.region.isdigit()):
            raise ValueError(f"region {self.region!r} is not a 12-digit code, such as 230100000000")
        self._require("department", self.department, DEPARTMENTS, needed=self.kind == "agency")
        self._require("reporter kind", self.reporter_kind, REPORTER_KINDS, needed=self.kind == "reporter")

    def _require(self, name: str, value: str | None, allowed: tuple[str, ...], *, needed: bool) -> None:
        if needed and value not in allowed:
            raise ValueError(f"a token of kind {self.kind} needs a {name}, one of: {', '.join(allowed)}")
        if not needed and value is not None:
            raise ValueError(f"a token of kind {self.kind} has no {name}")


def new_signing_key() -> bytes:
    """A fresh Ed25519 private key as PEM."""
    encoding, form = serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8
    return Ed25519PrivateKey.generate().private_bytes(encoding, form, serialization.NoEncryption())


def read_signing_key(path: Path) -> Ed25519PrivateKey:
    try:
        key = serialization.load_pem_private_key(path.read_bytes(), password=None)
    except FileNotFoundError as reason:
        raise FileNotFoundError(f"There is no signing key at {path}. Repair: heli up, which makes one") from reason
    if not isinstance(key, Ed25519PrivateKey):
        raise TypeError(f"{path} holds another kind of key than Ed25519. Repair: move it away, then heli up")
    return key


def issue(signing_key: Ed25519PrivateKey, claims: Claims) -> str:
    """A signed token. Whoever holds it is the party until `exp`, or until its `jti` is revoked."""
    now = datetime.now(UTC)
    body: dict[str, Any] = {
        "iss": ISSUER,
        "sub": claims.party,
        "kind": claims.kind,
        "role": claims.role,
        "region": claims.region,
        "jti": secrets.token_urlsafe(12),
        "iat": now,
        "exp": now + timedelta(days=claims.days),
    }
    if claims.department:
        body["department"] = claims.department
    if claims.reporter_kind:
        body["reporter_kind"] = claims.reporter_kind
    return jwt.encode(body, signing_key, algorithm=ALGORITHM, headers={"kid": public_key(signing_key)["kid"]})


def token_id(token: str) -> str:
    """The `jti` of a token, which is what `revoke` takes. Nothing is verified."""
    return str(jwt.decode(token, options={"verify_signature": False})["jti"])


def public_key(signing_key: Ed25519PrivateKey) -> dict[str, str]:
    raw = signing_key.public_key().public_bytes(serialization.Encoding.Raw, serialization.PublicFormat.Raw)
    core = {"crv": "Ed25519", "kty": "OKP", "x": _base64(raw)}
    thumbprint = hashlib.sha256(json.dumps(core, sort_keys=True, separators=(",", ":")).encode()).digest()  # RFC 7638
    return {**core, "kid": _base64(thumbprint), "use": "sig", "alg": ALGORITHM}


def write_jwks(path: Path, signing_key: Ed25519PrivateKey) -> None:
    """Publishes the public key; other keys and everything revoked stay."""
    content = read_jwks(path)
    mine = public_key(signing_key)
    content["keys"] = [key for key in content["keys"] if key["kid"] != mine["kid"]] + [mine]
    _replace(path, content)


def revoke(path: Path, jti: str) -> None:
    """Services re-read the file within 5 s. Revoking twice is as once."""
    content = read_jwks(path)
    content["revoked"] = sorted({*content["revoked"], jti})
    _replace(path, content)


def read_jwks(path: Path) -> dict[str, Any]:
    if not path.exists():
        return {"keys": [], "revoked": []}
    content: dict[str, Any] = json.loads(path.read_text())
    return content


def _replace(path: Path, content: dict[str, Any]) -> None:
    """A reader sees the old file or the new one, never half of one."""
    path.parent.mkdir(parents=True, exist_ok=True)
    handle, draft = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}-")
    with os.fdopen(handle, "w") as file:
        json.dump(content, file, indent=1)
    Path(draft).chmod(0o644)
    Path(draft).replace(path)


def _base64(raw: bytes) -> str:
    return base64.urlsafe_b64encode(raw).rstrip(b"=").decode()

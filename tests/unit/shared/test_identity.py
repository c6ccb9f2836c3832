"""Is a token that was good a moment ago still asked for what can change?"""

import time
from collections.abc import Callable
from pathlib import Path

import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from deploy import keys
from shared import identity
from shared.errors import Problem

CLAIMS = keys.Claims(kind="agency", party="police-x", department="police", region="230000000000")
HOUR = 3600.0


@pytest.fixture
def signing(tmp_path: Path) -> Ed25519PrivateKey:
    found = Ed25519PrivateKey.generate()
    keys.write_jwks(tmp_path / "jwks.json", found)
    return found


@pytest.fixture
def verified(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The tokens whose signature was checked."""
    asked: list[str] = []
    whole: Callable[..., object] = jwt.decode

    def decode(token: str, *rest: object, **options: object) -> object:
        asked.append(token)
        return whole(token, *rest, **options)

    monkeypatch.setattr(jwt, "decode", decode)
    return asked


def test_a_signature_is_checked_once_until_the_keys_are_read_again(tmp_path: Path, signing: Ed25519PrivateKey, verified: list[str]) -> None:
    known, token = identity.Keys(tmp_path / "jwks.json"), keys.issue(signing, CLAIMS)
    assert known.caller(token).party == known.caller(token).party == "police-x"
    assert verified == [token]
    known._read = float("-inf")  # noqa: SLF001 - as after REREAD_SECONDS
    known.caller(token)
    assert verified == [token, token]


def test_a_token_that_has_expired_since_is_nobody(
    tmp_path: Path, signing: Ed25519PrivateKey, verified: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    known, token = identity.Keys(tmp_path / "jwks.json"), keys.issue(signing, CLAIMS)
    known.caller(token)
    later = time.time() + 2 * keys.DAYS * 24 * HOUR
    monkeypatch.setattr(time, "time", lambda: later)
    known.caller(token)
    assert verified == [token, token], "an expired one is not taken from memory"


def test_a_token_that_was_revoked_or_whose_key_is_gone_is_nobody(tmp_path: Path, signing: Ed25519PrivateKey) -> None:
    path = tmp_path / "jwks.json"
    known, first, second = identity.Keys(path), keys.issue(signing, CLAIMS), keys.issue(signing, CLAIMS)
    assert known.caller(first).party == known.caller(second).party
    keys.revoke(path, keys.token_id(first))
    known._read = float("-inf")  # noqa: SLF001 - as after REREAD_SECONDS
    with pytest.raises(Problem):
        known.caller(first)
    assert known.caller(second).party == "police-x"
    path.unlink()
    known._read = float("-inf")  # noqa: SLF001 - as after REREAD_SECONDS
    with pytest.raises(Problem):
        known.caller(second)

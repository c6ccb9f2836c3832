"""How is one attempt of a signed webhook performed, and what did its receiver answer?

Headers and signatures follow Standard Webhooks (v1, HMAC-SHA256). When to try again is not decided here.
"""

import asyncio
import ssl
import time
from base64 import b64decode, b64encode
from binascii import Error as NotBase64
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from secrets import token_bytes
from socket import gaierror
from typing import Literal, get_args
from weakref import WeakValueDictionary

import httpx
import msgspec
from standardwebhooks import Webhook

from services.notification.channels import guard
from shared.unanswered import unanswered

SECRET_PREFIX = "whsec_"  # noqa: S105 - the mark of a secret, not one
SECRET_BYTES = range(24, 65)
ANSWER_BYTES = 64 * 1024
LONGEST_RETRY_AFTER = 3600.0
GONE = 410
FIXED = {"user-agent": "Heli", "content-type": "application/json"}
BUSY = "busy"
"""The slug of an attempt that was not made: its host's places were taken for as long as it may wait."""


class Attempt(msgspec.Struct, frozen=True):
    """One try to tell one endpoint one thing."""

    id: str  # the delivery's id, sent as webhook-id: the same on every attempt, so that the receiver can drop a repetition
    number: int  # 1 for the first
    url: str
    secrets: tuple[str, ...]  # whsec_..., one, or two while the endpoint changes from one to the other
    body: bytes  # final: these very bytes are signed and sent
    traceparent: str | None = None

    def __repr__(self) -> str:  # a secret or a body must not reach a log by way of a traceback
        return f"Attempt(id={self.id!r}, number={self.number})"


class Outcome(msgspec.Struct, frozen=True):
    """How an attempt ended.

    `delivered`: the receiver said 2xx. `gone`: it said 410. `refused`: our own side would not send (address, secret); a person
    must look at the endpoint. `retry`: everything else, also 4xx, because a partner repairs its settings and then it must arrive.
    """

    result: Literal["delivered", "retry", "gone", "refused"]
    status: int | None = None  # HTTP status, if one came
    error: str | None = None  # slug; None when delivered
    retry_after: float | None = None  # seconds the receiver asked for, 3600 at most
    seconds: float = 0.0  # how long the exchange took, without waiting for a free slot


class Limits(msgspec.Struct, frozen=True):
    """Bounds of the channel; an attempt is over `wait + total` seconds after it was asked for, which its lease must outlast."""

    connect: float = 3.0  # seconds for name and connection, again for TLS
    total: float = 10.0  # seconds for the exchange
    rest: float = 2.0  # of these, seconds for the body of the answer, once its status was heard
    wait: float = 20.0  # seconds for a free slot
    per_host: int = 4  # attempts at once: a slow receiver holds up only itself
    overall: int = 64


class BadSecret(Exception):  # noqa: N818 - says what happened, as the other refusals do
    """A signing secret is missing or malformed; never shows it."""


class _Busy(Exception):  # noqa: N818 - says what happened, as the other refusals do
    """No slot became free in time."""


def new_secret() -> str:
    """A fresh signing secret of 32 random bytes."""
    return SECRET_PREFIX + b64encode(token_bytes(32)).decode()


def valid_secret(secret: str) -> bool:
    """Whether this is `whsec_` and canonical base64 of 24 to 64 bytes: the library would drop bad characters and sign wrongly."""
    encoded = secret.removeprefix(SECRET_PREFIX)
    try:
        key = b64decode(encoded, validate=True)
    except (NotBase64, ValueError):
        return False
    return secret.startswith(SECRET_PREFIX) and len(key) in SECRET_BYTES and b64encode(key).decode() == encoded


def sign(secrets: Sequence[str], delivery: str, at: datetime, body: bytes) -> dict[str, str]:
    """The three Standard Webhooks headers, with one signature per secret; `at` is an aware time of any zone.

    Raises:
        BadSecret: no secret, or a malformed one.
        ValueError: `at` is naive, or `body` is not UTF-8.
    """
    if at.tzinfo is None:
        raise ValueError("a signature needs an aware time")
    if not secrets or not all(map(valid_secret, secrets)):
        raise BadSecret
    utc = at.astimezone(UTC)  # the library replaces the zone instead of converting it
    signatures = [Webhook(secret).sign(delivery, utc, body.decode()) for secret in secrets]
    return {"webhook-id": delivery, "webhook-timestamp": str(int(utc.timestamp())), "webhook-signature": " ".join(signatures)}


class Webhooks:
    """The channel: a pool of connections for each scheme, shared by all endpoints. `networks` are the only non-public ones it may reach.

    Without `tls`, certificates are judged by the public authorities, or by those that SSL_CERT_FILE names.
    """

    def __init__(
        self,
        networks: Sequence[guard.Network] = (),
        *,
        limits: Limits | None = None,
        resolver: guard.Resolver = guard.resolve,
        tls: ssl.SSLContext | None = None,
    ) -> None:
        self._networks = tuple(networks)
        self._limits = limits or Limits()
        self._all = asyncio.Semaphore(self._limits.overall)
        self._hosts: WeakValueDictionary[str, asyncio.Semaphore] = WeakValueDictionary()  # a host is forgotten with its last attempt
        self._ways = self._open(resolver, tls or httpx.create_ssl_context())
        self._timeouts = httpx.Timeout(self._limits.total, connect=self._limits.connect).as_dict()

    async def aclose(self) -> None:
        """Close every connection; attempts under way end with an error."""
        for way in self._ways.values():
            await way.aclose()

    async def perform(self, attempt: Attempt) -> Outcome:
        """Send once and tell how it ended, within `Limits`. Raises nothing but CancelledError."""
        started = time.monotonic()
        try:
            url = guard.check_url(attempt.url, self._networks)
            async with self._slot(url.host):
                started = time.monotonic()
                outcome = await self._exchange(url, attempt)
        except Exception as error:  # noqa: BLE001 - whatever happened, the delivery must hear of it and go on
            outcome = _failed(error)
        return msgspec.structs.replace(outcome, seconds=time.monotonic() - started)

    def _open(self, resolver: guard.Resolver, tls: ssl.SSLContext) -> dict[str, guard.GuardedTransport]:
        """One transport for each scheme. No client above them: what it adds (cookies, redirects, proxies, logins) an endpoint must not get."""
        guards = {scheme: guard.Guard(scheme, self._networks, resolver) for scheme in get_args(guard.Scheme)}
        return {scheme: guard.GuardedTransport(one, tls, self._limits.overall) for scheme, one in guards.items()}

    @asynccontextmanager
    async def _slot(self, host: str) -> AsyncIterator[None]:
        own = self._hosts.setdefault(host, asyncio.Semaphore(self._limits.per_host))
        async with AsyncExitStack() as held:
            try:
                async with asyncio.timeout(self._limits.wait):
                    await held.enter_async_context(own)  # first its own: who waits for a slow host takes nobody else's place
                    await held.enter_async_context(self._all)
            except TimeoutError:
                raise _Busy from None
            yield

    async def _exchange(self, url: httpx.URL, attempt: Attempt) -> Outcome:
        headers = FIXED | sign(attempt.secrets, attempt.id, datetime.now(UTC), attempt.body)
        if attempt.traceparent is not None:
            headers["traceparent"] = attempt.traceparent
        request = httpx.Request("POST", url, headers=headers, content=attempt.body, extensions={"timeout": self._timeouts})
        async with asyncio.timeout(self._limits.total) as limit:
            response = await self._ways[url.scheme].handle_async_request(request)
        until = asyncio.get_running_loop().time() + self._limits.rest
        await _drain(response, min(until, limit.when() or until))
        return outcome_of(response.status_code, response.headers.get("retry-after"), datetime.now(UTC))


def outcome_of(status: int, retry_after: str | None, now: datetime) -> Outcome:
    """What a receiver's status and Retry-After header (seconds or a date) mean for the delivery."""
    if httpx.codes.is_success(status):
        return Outcome("delivered", status)
    if status == GONE:
        return Outcome("gone", status, "status-410")
    error = "redirect" if httpx.codes.is_redirect(status) else f"status-{status}"
    return Outcome("retry", status, error, _seconds_asked(retry_after or "", now))


def _seconds_asked(text: str, now: datetime) -> float | None:
    if text.isascii() and text.isdigit():
        return min(float(text), LONGEST_RETRY_AFTER)
    try:
        until = parsedate_to_datetime(text)
        wait = (until if until.tzinfo else until.replace(tzinfo=UTC)) - now
    except (ValueError, OverflowError):
        return None
    return min(max(wait.total_seconds(), 0.0), LONGEST_RETRY_AFTER)


async def _drain(response: httpx.Response, deadline: float) -> None:
    """Read on, up to the limit, so that the connection can serve again. The status has been heard; nothing here changes it."""
    with suppress(Exception):
        try:
            async with asyncio.timeout_at(deadline):
                async for _ in response.aiter_raw():  # raw: an answer is never unpacked
                    if response.num_bytes_downloaded >= ANSWER_BYTES:
                        return
        finally:
            await response.aclose()


_ERRORS: tuple[tuple[type[Exception] | tuple[type[Exception], ...], str], ...] = (
    (guard.AddressDenied, "address-denied"),
    (BadSecret, "secret"),
    (_Busy, BUSY),
    ((TimeoutError, httpx.TimeoutException), "timeout"),
    (ssl.SSLError, "tls"),
    (gaierror, "dns"),
)
_OURS = frozenset({"address-denied", "secret"})


def _failed(error: Exception) -> Outcome:
    causes = list(_causes(error))
    known = (slug for kind, slug in _ERRORS if any(isinstance(cause, kind) for cause in causes))
    other = "connection" if any(map(unanswered, causes)) else f"internal-{type(error).__name__.lower()}"
    slug = next(known, other)
    return Outcome("refused" if slug in _OURS else "retry", error=slug)


def _causes(error: BaseException | None) -> Iterator[BaseException]:
    while error is not None:
        yield error
        inner = (part for part in error.args if isinstance(part, BaseException))
        error = error.__cause__ or next(inner, None)  # httpcore's pool cuts the cause off, its first argument is what is left

"""Does a signed webhook leave as its receiver can verify it, and is every way it can end told truly? Against a real server on loopback."""

import json
import socket
from base64 import b64encode
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta, timezone

import httpx
import pytest
from standardwebhooks import Webhook, WebhookVerificationError

from services.notification.channels.webhook import BadSecret, Outcome, Webhooks, new_secret, outcome_of, sign, valid_secret
from tests.unit.notification.receiver import BODY, LOOPBACK, NO_CONTENT, OURS, answer, attempt, outcome, receiving, sending

OFFICIAL = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)


@pytest.mark.parametrize(
    ("secret", "delivery", "at", "body", "signature"),
    [
        (OFFICIAL, "msg_p5jXN8AQM9LWM0D4loKWxJek", 1614265330, b'{"test": 2432232314}', "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="),
        (OURS, "msg_heli_0001", 1764000000, b'{"type":"heli.test","data":{"n":1}}', "v1,Wjo1QozkWmd1fA152wtH8UdWcdgMY5fP/RqFarQZPvw="),
    ],
)
def test_known_vectors_are_signed_alike_in_every_zone(secret: str, delivery: str, at: int, body: bytes, signature: str) -> None:
    expected = {"webhook-id": delivery, "webhook-timestamp": str(at), "webhook-signature": signature}
    for zone in (UTC, timezone(timedelta(hours=8)), timezone(timedelta(hours=-3, minutes=-30))):
        assert sign([secret], delivery, datetime.fromtimestamp(at, zone), body) == expected


def test_during_rotation_both_secrets_verify_and_no_other_does() -> None:
    old, new, other = new_secret(), new_secret(), new_secret()
    headers = sign([new, old], "dlv_1", datetime.now(UTC), BODY)
    assert Webhook(old).verify(BODY, headers) == Webhook(new).verify(BODY, headers) == json.loads(BODY)
    with pytest.raises(WebhookVerificationError):
        Webhook(other).verify(BODY, headers)


def test_a_naive_time_and_a_missing_secret_are_not_signed() -> None:
    with pytest.raises(ValueError, match="aware"):
        sign([OURS], "dlv_1", NOW.replace(tzinfo=None), BODY)
    for secrets in ([], [OURS, "whsec_"]):
        with pytest.raises(BadSecret):
            sign(secrets, "dlv_1", NOW, BODY)


def test_new_secrets_are_valid_and_differ() -> None:
    made = {new_secret() for _ in range(10)}
    assert len(made) == 10
    assert all(map(valid_secret, made))


@pytest.mark.parametrize(("size", "valid"), [(23, False), (24, True), (64, True), (65, False)])
def test_a_secret_has_24_to_64_bytes(size: int, valid: bool) -> None:  # noqa: FBT001 - a column of the table
    assert valid_secret("whsec_" + b64encode(bytes(size)).decode()) is valid


@pytest.mark.parametrize(
    "secret", ["", OURS[6:], "whpk_" + OURS[6:], OURS[:-1], OURS[:-2] + "F=", OURS + "=", OURS + "\n", OURS.replace("a", "-"), "whsec_合力"]
)
def test_a_secret_that_the_library_would_misread_is_invalid(secret: str) -> None:
    assert not valid_secret(secret)


async def test_what_arrives_verifies_with_the_official_library() -> None:
    traceparent = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
    async with receiving(NO_CONTENT) as (receiver, url), sending() as webhooks:
        told = await webhooks.perform(attempt(url, OURS, OFFICIAL, traceparent=traceparent))
    [(headers, body)] = receiver.requests
    assert (told.result, told.status, told.error, told.retry_after) == ("delivered", 204, None, None)
    assert 0 < told.seconds < 10
    assert Webhook(OURS).verify(body, headers) == Webhook(OFFICIAL).verify(body, headers) == json.loads(BODY)
    assert body == BODY
    assert (headers["webhook-id"], headers["traceparent"]) == ("dlv_1", traceparent)
    assert (headers["content-type"], headers["user-agent"]) == ("application/json", "Heli")
    assert headers["host"] == httpx.URL(url).netloc.decode()


@pytest.mark.parametrize(
    ("script", "expected"),
    [
        (answer("200 OK", body=b"fine"), Outcome("delivered", 200)),
        (answer("500 Internal Server Error"), Outcome("retry", 500, "status-500")),
        (answer("404 Not Found"), Outcome("retry", 404, "status-404")),
        (answer("410 Gone"), Outcome("gone", 410, "status-410")),
        (answer("302 Found", "location: http://169.254.169.254/"), Outcome("retry", 302, "redirect")),
        (answer("429 Too Many Requests", "Retry-After: 120"), Outcome("retry", 429, "status-429", 120.0)),
        (answer("503 Service Unavailable", "Retry-After: 999999"), Outcome("retry", 503, "status-503", 3600.0)),
        (b"nonsense\r\n\r\n", Outcome("retry", None, "connection")),
        (b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\nnonsense\r\n", Outcome("delivered", 200)),
    ],
)
async def test_an_answer_is_told_as_it_is_meant(script: bytes, expected: Outcome) -> None:
    told = await outcome(script)
    assert (told.result, told.status, told.error, told.retry_after) == (
        expected.result,
        expected.status,
        expected.error,
        expected.retry_after,
    )


@pytest.mark.parametrize(
    ("asked", "seconds"),
    [
        ("0", 0),
        ("3601", 3600),
        ("9" * 5000, 3600),
        ("Sun, 01 Mar 2026 12:01:30 GMT", 90),
        ("Sun, 01 Mar 2026 20:01:30 +0800", 90),
        ("Sun, 01 Mar 2026 12:01:30 -0000", 90),
        ("Sun, 01 Mar 2026 11:00:00 GMT", 0),
        *[(text, None) for text in (None, "", "-1", "1.5", "nan", "soon", "１", "Sun, 01 Mar 99999 12:00:00 GMT")],
    ],
)
def test_retry_after_is_seconds_or_a_date_and_never_more_than_an_hour(asked: str | None, seconds: float | None) -> None:
    assert outcome_of(429, asked, NOW).retry_after == seconds


async def test_nobody_listening_is_a_retry() -> None:
    with socket.socket() as bound:
        bound.bind(("127.0.0.1", 0))  # bound, never listening
        async with sending() as webhooks:
            told = await webhooks.perform(attempt(f"http://127.0.0.1:{bound.getsockname()[1]}/"))
    assert (told.result, told.error) == ("retry", "connection")


async def test_a_name_without_address_is_a_retry() -> None:
    async def nobody(_host: str, _port: int) -> Sequence[str]:
        raise socket.gaierror(socket.EAI_NONAME, "unknown")

    webhooks = Webhooks(resolver=nobody)
    told = await webhooks.perform(attempt("https://partner.test/"))
    await webhooks.aclose()
    assert (told.result, told.error) == ("retry", "dns")


async def test_without_configured_networks_nothing_is_sent_to_an_inner_address() -> None:
    async def inside(_host: str, _port: int) -> Sequence[str]:
        return ["127.0.0.1"]

    async with receiving(NO_CONTENT) as (receiver, url):
        webhooks = Webhooks(resolver=inside)
        told = [await webhooks.perform(attempt(to)) for to in (url, url.replace("http:", "https:"), "https://partner.test/", "junk")]
        await webhooks.aclose()
    assert [(one.result, one.error) for one in told] == [("refused", "address-denied")] * 4
    assert receiver.connections == 0


async def test_plain_http_does_not_leave_for_the_public_net_because_a_network_is_configured() -> None:
    async def outside(_host: str, _port: int) -> Sequence[str]:
        return ["8.8.8.8"]

    webhooks = Webhooks(LOOPBACK, resolver=outside)
    told = await webhooks.perform(attempt("http://partner.test:443/"))
    await webhooks.aclose()
    assert (told.result, told.error) == ("refused", "address-denied")


@pytest.mark.parametrize("secrets", [("whsec_short",), ("whpk_" + OURS[6:],), (OURS, "")])
async def test_nothing_is_sent_with_a_malformed_secret(secrets: tuple[str, ...]) -> None:
    async with receiving(NO_CONTENT) as (receiver, url), sending() as webhooks:
        told = await webhooks.perform(attempt(url, *secrets))
    assert (told.result, told.error, receiver.connections) == ("refused", "secret", 0)


async def test_what_nobody_foresaw_is_still_an_outcome() -> None:
    async with receiving(NO_CONTENT) as (_, url), sending() as webhooks:
        told = await webhooks.perform(attempt(url, body=b"\xff"))
    assert (told.result, told.error) == ("retry", "internal-unicodedecodeerror")


async def test_an_attempt_shows_neither_secret_nor_body() -> None:
    shown = repr(attempt("https://partner.test/?token=x"))
    assert shown == "Attempt(id='dlv_1', number=1)"
